// Loads the description with the session's cookie, or with a token that is asked for and kept only
// in this page, and gives it to Swagger UI.
"use strict";

const login = document.getElementById("login");

async function show(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let answer;
  try {
    answer = await fetch("openapi.json", { headers });
  } catch {
    return ask("The server does not answer.");
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    return ask(token ? problem.detail || `The server answered ${answer.status}.` : "");
  }
  const spec = await answer.json();
  document.title = spec.info.title;
  login.hidden = true;
  SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: true,
    validatorUrl: null,
    requestInterceptor: (request) => {
      if (token) request.headers.Authorization = `Bearer ${token}`;
      return request;
    },
  });
}

function ask(problem) {
  document.getElementById("problem").textContent = problem;
  login.hidden = false;
  document.getElementById("token").focus();
}

login.addEventListener("submit", (event) => {
  event.preventDefault();
  show(document.getElementById("token").value.trim());
});

show("");
