from .api import HttpApi as HttpApi
from .problem_answers import (
    RequestProblem as RequestProblem, problem_response as problem_response,
)
