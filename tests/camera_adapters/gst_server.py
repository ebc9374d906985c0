"""A foreign RTSP server for the adapter to prove itself on: GStreamer's, with test images.

Runs under the system's Python, where the GStreamer bindings live, as a process of its own. Prints
the port on its first line and serves until its standard input closes, so it never outlives a test.
"""

from __future__ import annotations

import argparse
import sys

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

VIDEO = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 threads=1"
    " ! rtph264pay name=pay0 pt=96"
)
AUDIO = "audiotestsrc is-live=true ! alawenc ! rtppcmapay pt=8 name={pay}"
MOUNTS = {
    "/video": VIDEO,
    "/both": f"{VIDEO} {AUDIO.format(pay='pay1')}",
    "/audio": AUDIO.format(pay="pay0"),
}


def build_auth(scheme: str, user: str, password: str) -> GstRtspServer.RTSPAuth:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if scheme == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    anonymous = GstRtspServer.RTSPToken()
    anonymous.set_string("media.factory.role", "anonymous")
    auth.set_default_token(anonymous)
    return auth


def build_factory(launch: str, protected: bool) -> GstRtspServer.RTSPMediaFactory:
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {launch} )")
    factory.set_shared(True)
    if protected:
        # Without access for anonymous the server answers 404 where a camera answers 401.
        for role, construct in (("viewer", "true"), ("anonymous", "false")):
            factory.add_role_from_structure(
                Gst.Structure.new_from_string(
                    f"{role}, media.factory.access=(boolean)true,"
                    f" media.factory.construct=(boolean){construct}"
                )
            )
    return factory


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--auth", choices=("none", "basic", "digest"), default="none")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    options = parser.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    if options.auth != "none":
        server.set_auth(build_auth(options.auth, options.user, options.password))
    for path, launch in MOUNTS.items():
        factory = build_factory(launch, options.auth != "none")
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)

    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, lambda *_: loop.quit())
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main()
