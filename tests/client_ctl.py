"""edxctl asks as the interface says, shows what comes back, and says what went wrong."""
import json

import numpy

from client_fake import Fake, Scene, array, plain, run

DEFAULTS = {"get": {"value": {"rank": "auto", "max_rank": 16}},
            "profile": {"d_nm": array([0.25, 0.75], "<f8"), "from_nm": [1.0, 2.0],
                        "to_nm": [3.0, 4.0], "width_nm": 0.5, "elements": ["Ag", "Au"],
                        "counts": array([[120.5, 98.25], [10, 20]], "<f8"),
                        "fraction": array([[0.4834, numpy.nan], [0.5166, 0.25]], "<f8"),
                        "sigma": array([[0.0142, numpy.nan], [0.0142, 0.003]], "<f8")},
            "region": {"spectrum": array(range(8), "<f8"), "counts": array([5123, 4711], "<f8"),
                       "fraction": array([0.4834, 0.5166], "<f8"),
                       "sigma": array([0.0142, 0.0142], "<f8")},
            "calibrate": {"k": {"Ag": [1.4402, 0.0123], "Au": [1.0, 0.0]}}}


def answer(request):
    if request["cmd"] == "status":
        return {"ok": True, **Scene().status()}
    if request["cmd"] == "history":
        return {"ok": True, "message": Scene(frames=request["frame"] + 1).body(request["topic"])}
    if request["cmd"] == "set" and request["key"] == "quant.limitt":
        return {"ok": False, "error": "quant.limitt: unknown key, expected one of method limit"}
    return {"ok": True, **DEFAULTS.get(request["cmd"], {})}


def ask(fake, *words, code=0):
    got, out, err = run("edxctl", "--endpoint", fake.control_endpoint, *words)
    assert got == code, (words, got, out, err)
    assert err.count("\n") == (1 if code else 0), err
    return out if code == 0 else err


def requests_arrive(fake):
    cases = ((["save"], {"cmd": "save"}), (["stop"], {"cmd": "stop"}), (["reset"], {"cmd": "reset"}),
             (["get", "analysis.pca"], {"cmd": "get", "key": "analysis.pca"}),
             (["set", "quant.limit", "-3.5"],
              {"cmd": "set", "key": "quant.limit", "value": -3.5}),
             (["set", "quant.lines", '({line="Fe_Ka"; k=1.45; window_eV=(6200, 6600);})'],
              {"cmd": "set", "key": "quant.lines",
               "value": [{"line": "Fe_Ka", "k": 1.45, "window_eV": [6200, 6600]}]}),
             (["profile", "-1,2", "3.5,4", "0.75"],
              {"cmd": "profile", "from_nm": [-1.0, 2.0], "to_nm": [3.5, 4.0], "width_nm": 0.75}),
             (["region", "0,0", "0,4", "4,-1"],
              {"cmd": "region", "polygon_nm": [[0.0, 0.0], [0.0, 4.0], [4.0, -1.0]]}),
             (["history", "maps", "12"], {"cmd": "history", "topic": "edx.maps", "frame": 12}))
    for words, request in cases:
        ask(fake, *words)
        assert fake.requests[-1] == request, fake.requests[-1]


def replies_are_readable(fake):
    status = ask(fake, "status")
    for key, value in (("state", '"acquiring"'), ("expected", "100"), ("lost", "3"),
                       ("rate_cps", "35120.0")):
        assert any(line.split() == [key, value] for line in status.splitlines()), status
    assert ask(fake, "save") == "done\n"
    assert ask(fake, "get", "analysis.pca") == '{\n  rank = "auto";\n  max_rank = 16;\n}\n'
    profile = ask(fake, "profile", "1,2", "3,4", "0.5").splitlines()
    assert profile[0].split() == ["d,", "nm", "Ag", "counts", "Ag,", "at.%", "Au", "counts", "Au,",
                                  "at.%"], profile[0]
    assert profile[1].split() == ["0.250", "120.5", "48.3", "±", "1.4", "10.0", "51.7", "±", "1.4"]
    assert profile[2].split() == ["0.750", "98.2", "–", "20.0", "25.00", "±", "0.30"]
    assert len({len(line) for line in profile}) == 1, profile
    region = ask(fake, "region", "0,0", "0,4", "4,4").splitlines()
    assert region[0].split() == ["0", "5123.0", "counts", "48.3", "±", "1.4", "at.%"], region
    factors = ask(fake, "calibrate", "Ag=0.5,Au=0.5", "0,0", "0,4", "4,4").splitlines()
    assert factors[0].split() == ["Ag", "k", "=", "1.440", "±", "0.012"], factors
    history = [line.split(None, 1) for line in ask(fake, "history", "maps", "3").splitlines()]
    assert ["atomic_fraction", "<f4 [2, 32, 32]"] in history and ["frame", "3"] in history, history


def json_is_the_reply(fake):
    for place in (["--json", "profile", "1,2", "3,4", "0.5"],
                  ["profile", "1,2", "3,4", "0.5", "--json"]):
        reply = json.loads(ask(fake, *place))
        assert reply == plain({"ok": True, **DEFAULTS["profile"]}), reply
    message = json.loads(ask(fake, "history", "edx.trend", "4", "--json"))["message"]
    assert message["frame"] == 4 and len(message["composition"][0]) == 5


def refusals_are_told(fake):
    err = ask(fake, "set", "quant.limitt", "3", code=1)
    assert err == "edxctl: set: quant.limitt: unknown key, expected one of method limit\n", err
    _, out, err = run("edxctl", "--endpoint", fake.control_endpoint, "--json", "set",
                      "quant.limitt", "3")
    assert json.loads(out)["ok"] is False and err
    for words in ([], ["restart"], ["get"], ["set", "quant.limit", "(1"], ["--timeout", "x", "save"],
                  ["--frob", "save"]):
        err = ask(fake, *words, code=2)
        assert err.startswith("edxctl: "), err


def silence_is_told():
    with Fake(Scene(), answer=lambda request: None) as fake:
        code, out, err = run("edxctl", "--endpoint", fake.control_endpoint, "--timeout", "0.5",
                             "status")
        assert code == 1 and out == ""
        assert err == (f"edxctl: no answer from {fake.control_endpoint} within 0.5 s: is edxd "
                       "running? (systemctl status edxd)\n"), err


def nonsense_is_told():
    with Fake(Scene(), answer=lambda request: [1, 2]) as fake:
        code, out, err = run("edxctl", "--endpoint", fake.control_endpoint, "status")
        assert code == 1 and out == "" and "ok: " in err, err


if __name__ == "__main__":
    with Fake(Scene(), answer=answer) as server:
        requests_arrive(server)
        replies_are_readable(server)
        json_is_the_reply(server)
        refusals_are_told(server)
    silence_is_told()
    nonsense_is_told()
