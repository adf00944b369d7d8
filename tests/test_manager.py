"""The plugin host, with real plugins: a module and a `.dist-info` folder on the path, as an installer leaves them."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from automix.hookspecs import EpochFinished
from automix.manager import ENV_ALLOW, ENV_BLOCK, PluginHost, PluginInfo, build_host
from automix.registry import REGISTER_HOOKS

GROUP = "automix_of_these_tests"  # so that plugins of the environment do not take part
HEAD = 'from automix.hookspecs import hookimpl\nautomix_api = "1"\n'
EVENT = EpochFinished(study="s", slot=3, epoch=1, n_epochs=2, metrics={"val/top1": 0.5})

Install = Callable[..., None]


def metric_plugin(*names: str) -> str:
    calls = "".join(f"    register({name!r}, len)\n" for name in names)
    return f"{HEAD}@hookimpl\ndef automix_register_metrics(register):\n{calls or '    return'}\n"


def listener(body: str, hook: str = "automix_epoch_finished", arguments: str = "event") -> str:
    return f"{HEAD}told = []\n@hookimpl\ndef {hook}({arguments}):\n    {body}\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a plugin: a module and the metadata of the distribution it comes with."""
    monkeypatch.delenv(ENV_BLOCK, raising=False)
    monkeypatch.delenv(ENV_ALLOW, raising=False)

    def write(
        name: str, source: str, *, distribution: str = "", version: str = "0.1", module: str = "", folder: str = "site"
    ) -> None:
        site = tmp_path / folder
        module = module or name
        distribution = distribution or f"dist-{name}"
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (site / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        with (info / "entry_points.txt").open("a") as file:
            file.write(f"[{GROUP}]\n{name} = {module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(site))

    return write


def host_of(**options: object) -> PluginHost:
    return build_host(group=GROUP, **options)  # type: ignore[arg-type]  # each test gives what it is about


def statuses(host: PluginHost) -> dict[str, str]:
    return {info.name: info.status for info in host.plugins}


def test_working_plugin_is_loaded_and_known_by_distribution_and_version(install: Install) -> None:
    install("plain", metric_plugin("sharpness"), version="2.5")
    host = host_of()
    assert host.plugins == (PluginInfo("plain", "dist-plain", "2.5", "loaded"),)
    entry = host.registry.get("metric", "sharpness")
    assert (entry.plugin, entry.distribution, entry.version) == ("plain", "dist-plain", "2.5")
    assert host.problems == []


def test_version_of_the_plugin_goes_before_that_of_its_distribution(install: Install) -> None:
    install("own", metric_plugin() + 'version = "7.0"')
    install("shadowed", metric_plugin() + "import sys as version")
    assert [info.version for info in host_of().plugins] == ["7.0", "0.1"]


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("raise ValueError('first line\\nsecond line')", "ValueError: first line second line"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
    ],
    ids=["missing-module", "raises", "syntax", "exits"],
)
def test_plugin_that_fails_to_import_is_named_with_its_cause_and_the_others_go_on(
    install: Install, source: str, cause: str
) -> None:
    install("bad", source)
    install("good", metric_plugin("sharpness"))
    host = host_of()
    assert statuses(host) == {"bad": "broken", "good": "loaded"}
    (problem,) = host.problems
    assert problem.startswith(f"Plugin 'bad' (distribution 'dist-bad' 0.1) is broken: importing it raised {cause}")
    assert problem.endswith(f"{ENV_BLOCK}=bad.")
    assert cause in host.plugins[0].cause
    assert host.registry.names("metric") == ["sharpness"]


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (HEAD.replace('"1"', '"2"'), "Expected `automix_api` = '1' but got '2'"),
        (HEAD.replace('"1"', "1"), "Expected `automix_api` = '1' but got 1;"),
        ("x = 1", "Expected `automix_api` = '1' but got none"),
        (
            listener("pass", "automix_register_mixer", "register"),
            "Unknown hook 'automix_register_mixer'. Did you mean 'automix_register_mixers'?",
        ),
        (
            listener("pass", "automix_register_mixers", "register, settings"),
            "{'settings'} are declared in the hookimpl but can not be found in the hookspec",
        ),
        (
            f"{HEAD}def automix_register_mixers(register): pass",
            "`automix_register_mixers` is not marked with `@hookimpl`",
        ),
        (listener("yield").replace("@hookimpl", "@hookimpl(wrapper=True)"), "`automix_epoch_finished` is a wrapper"),
    ],
    ids=["wrong-api", "api-of-another-type", "no-api", "misspelt", "undeclared-argument", "unmarked", "wrapper"],
)
def test_plugin_that_does_not_fit_is_refused_and_the_others_go_on(install: Install, source: str, cause: str) -> None:
    install("odd", source)
    install("the_rest", metric_plugin("sharpness"))
    host = host_of()
    assert statuses(host) == {"odd": "refused", "the_rest": "loaded"}
    (problem,) = host.problems
    assert problem.startswith("Plugin 'odd' (distribution 'dist-odd' 0.1) is refused: ")
    assert cause in problem
    assert "\n" not in problem
    assert host.registry.names("metric") == ["sharpness"]


def test_good_hook_of_a_refused_plugin_is_not_called(install: Install) -> None:
    bad = listener("pass", "automix_register_mixers", "register, settings").removeprefix(HEAD)
    install("half", listener("raise OSError('called')") + bad)
    host = host_of()
    assert statuses(host) == {"half": "refused"}
    assert host.notify("automix_epoch_finished", EVENT) == []


def test_hook_of_a_later_automix_can_be_marked_optional(install: Install) -> None:
    source = listener("pass", "automix_register_weather", "register").replace(
        "@hookimpl", "@hookimpl(optionalhook=True)"
    )
    install("ahead", source)
    assert statuses(host_of()) == {"ahead": "loaded"}


def test_hook_may_leave_out_its_argument(install: Install) -> None:
    install("deaf", listener("told.append(1)", arguments=""))
    assert host_of().notify("automix_epoch_finished", EVENT) == []
    assert sys.modules["deaf"].told == [1]


def test_first_by_load_order_keeps_a_name_and_the_other_is_reported(install: Install) -> None:
    install("early", metric_plugin("sharpness"), distribution="a-dist")
    install("late", metric_plugin("sharpness", "blur"), distribution="b-dist")
    host = host_of()
    assert host.registry.get("metric", "sharpness").plugin == "early"
    assert host.registry.get("metric", "blur").plugin == "late"
    (problem,) = host.problems
    assert "plugin 'early' (a-dist 0.1) keeps it" in problem
    assert "plugin 'late' (b-dist 0.1) is refused" in problem
    assert "block 'early'" in problem


def test_plugins_of_automix_itself_come_first(install: Install) -> None:
    install("zz_own", metric_plugin("sharpness"), distribution="automix", version="0.1.0")
    install("aa_other", metric_plugin("sharpness"), distribution="aaa")
    host = host_of()
    assert [info.name for info in host.plugins] == ["zz_own", "aa_other"]
    assert host.registry.get("metric", "sharpness").plugin == "zz_own"


def test_blocking_the_holder_of_a_name_lets_the_other_have_it(install: Install) -> None:
    install("early", metric_plugin("sharpness"), distribution="a-dist")
    install("late", metric_plugin("sharpness"), distribution="b-dist")
    host = host_of(block=["early"])
    assert host.registry.get("metric", "sharpness").plugin == "late"
    assert host.problems == []


def test_one_entry_point_name_in_two_distributions_is_told_apart(install: Install) -> None:
    install("same", metric_plugin("first"), distribution="a-dist", module="same_of_a")
    install("same", metric_plugin("second"), distribution="b-dist", module="same_of_b")
    host = host_of()
    assert [(info.distribution, info.status) for info in host.plugins] == [("a-dist", "loaded"), ("b-dist", "refused")]
    assert "its name is taken by distribution 'a-dist'" in host.problems[0]
    assert f"{ENV_BLOCK}=a-dist:same" in host.problems[0]
    assert host.registry.names("metric") == ["first"]


def test_long_selector_blocks_one_of_two_plugins_of_one_name(install: Install) -> None:
    install("same", metric_plugin("first"), distribution="a-dist", module="same_of_a")
    install("same", metric_plugin("second"), distribution="b-dist", module="same_of_b")
    host = host_of(block=["a-dist:same"])
    assert host.registry.names("metric") == ["second"]
    assert host.problems == []


def test_one_module_under_two_names_is_loaded_once(install: Install) -> None:
    install("alpha", metric_plugin("sharpness"), distribution="a-dist", module="shared_module")
    install("beta", metric_plugin("sharpness"), distribution="a-dist", module="shared_module")
    host = host_of()
    assert statuses(host) == {"alpha": "loaded", "beta": "refused"}
    assert "the same object as plugin 'alpha'" in host.problems[0]


def test_entry_listed_twice_for_one_distribution_is_loaded_once(install: Install) -> None:
    install("twin", metric_plugin("sharpness"), folder="checkout")
    install("twin", metric_plugin("sharpness"), folder="installed")
    host = host_of()
    assert statuses(host) == {"twin": "loaded"}
    assert len(host.plugins) == 1
    assert host.problems == []


def test_distribution_without_readable_metadata_is_still_listed(install: Install, tmp_path: Path) -> None:
    install("orphan", metric_plugin())
    (metadata,) = tmp_path.glob("site/*.dist-info/METADATA")
    metadata.unlink()
    assert [(info.distribution, info.status) for info in host_of().plugins] == [("unknown", "loaded")]


def test_blocked_plugin_is_not_imported(install: Install) -> None:
    install("noisy", "raise RuntimeError('imported')")
    host = host_of(block=["noisy"])
    assert host.plugins == (PluginInfo("noisy", "dist-noisy", "0.1", "blocked", "blocked by `block`"),)
    assert host.problems == []
    assert "noisy" not in sys.modules


def test_environment_blocks_and_allows(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "three"):
        install(name, metric_plugin(name))
    monkeypatch.setenv(ENV_BLOCK, "one, ")
    monkeypatch.setenv(ENV_ALLOW, "one,two")
    host = host_of()
    assert {info.name: info.cause for info in host.plugins} == {
        "one": f"blocked by {ENV_BLOCK}",
        "three": f"not allowed by {ENV_ALLOW}",
        "two": "",
    }
    assert host.registry.names("metric") == ["two"]


def test_arguments_add_to_the_environment(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "three"):
        install(name, metric_plugin(name))
    monkeypatch.setenv(ENV_ALLOW, "one")
    assert host_of(allow=["three"]).registry.names("metric") == ["one", "three"]
    assert host_of(allow=["three"], block=["one"]).registry.names("metric") == ["three"]


def test_empty_allow_list_allows_none_and_an_empty_variable_is_unset(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("one", metric_plugin("one"))
    monkeypatch.setenv(ENV_ALLOW, "")
    assert statuses(host_of()) == {"one": "loaded"}
    assert statuses(host_of(allow=[])) == {"one": "blocked"}


def test_unknown_name_in_a_list_is_reported_with_the_nearest(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("sharpen", metric_plugin())
    monkeypatch.setenv(ENV_BLOCK, "sharpn")
    assert host_of(allow=["sharpen", "gone"]).problems == [
        f"Unknown plugin 'sharpn' in {ENV_BLOCK}. Did you mean 'sharpen'? Known: sharpen.",
        "Unknown plugin 'gone' in `allow`. Known: sharpen.",
    ]


@pytest.mark.parametrize("hook", sorted(REGISTER_HOOKS.values()))
def test_plugin_that_raises_in_a_register_hook_is_reported_and_ends_nothing(install: Install, hook: str) -> None:
    install("bad", listener("raise KeyError('oops')", hook, "register"))
    install("good", metric_plugin("sharpness"))
    host = host_of()
    host.register_all()
    (problem,) = host.problems
    assert problem.startswith(f"Plugin 'bad' (distribution 'dist-bad' 0.1): `{hook}` raised KeyError: 'oops'")
    assert host.registry.names("metric") == ["sharpness"]


def test_registrations_before_the_exception_are_rolled_back_in_that_hook_only(install: Install) -> None:
    source = metric_plugin("sharpness") + "    raise RuntimeError('midway')\n"
    source += "@hookimpl\ndef automix_register_data_sources(register):\n    register('cloud', open)\n"
    install("half", source)
    host = host_of()
    host.register_all()
    assert host.registry.names("metric") == []
    assert host.registry.names("data_source") == ["cloud"]


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        ("register('Bad Name', len)", "Expected the name of a metric to match"),
        ("register('flat', 3)", "Expected metric 'flat' to be a function but got 3"),
        ("[register('twice', len) for _ in range(2)]", "Expected to get each metric once but got 'twice' twice"),
        ("register('lonely')", "TypeError"),
    ],
    ids=["name", "type", "twice", "arguments"],
)
def test_what_is_registered_is_checked_where_it_is_registered(install: Install, call: str, cause: str) -> None:
    install("sloppy", metric_plugin("sharpness") + f"    {call}\n")
    host = host_of()
    assert host.registry.names("metric") == []
    assert cause in host.problems[0]


def test_components_are_registered_under_their_own_name(install: Install) -> None:
    source = (
        HEAD + "@hookimpl\ndef automix_register_ratios(register):\n"
        "    from automix.mixing import UniformLaw\n"
        "    class Flat(UniformLaw):\n        name = 'flat'\n"
        "    register(Flat)\n"
    )
    install("laws", source)
    host = host_of()
    assert host.signature()["ratio"] == ["flat"]
    assert host.registry.create("ratio", "flat").config()["name"] == "flat"


@pytest.mark.parametrize("hook", ["search_started", "trial_started", "epoch_finished", "trial_finished"])
def test_listener_that_raises_is_named_and_the_others_are_told(install: Install, hook: str) -> None:
    name = f"automix_{hook}"
    install("a_first", listener("told.append(event)", name))
    install("b_bad", listener("raise OSError('no net')", name))
    install("c_quits", listener("raise SystemExit(1)", name))
    install("d_last", listener("told.append(event)", name))
    problems = host_of().notify(name, EVENT)
    assert [problem.split(":")[0] for problem in problems] == [
        "Plugin 'b_bad' (distribution 'dist-b_bad' 0.1)",
        "Plugin 'c_quits' (distribution 'dist-c_quits' 0.1)",
    ]
    assert f"`{name}` raised OSError: no net" in problems[0]
    assert sys.modules["d_last"].told == [EVENT]


def test_ctrl_c_in_a_listener_is_not_survived(install: Install) -> None:
    install("slow", listener("raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        host_of().notify("automix_epoch_finished", EVENT)


def test_traceback_of_a_broken_plugin_is_kept_for_the_debug_log(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("bad", "raise ValueError('deep inside')")
    with caplog.at_level(logging.DEBUG, logger="automix.manager"):
        host_of()
    assert "deep inside" in caplog.text
    assert "Traceback" in caplog.text


def test_loading_the_installed_plugins_imports_nothing_heavy() -> None:
    code = (
        "import sys; from automix.manager import build_host; host = build_host(); host.registry.names('command'); "
        "print(*sorted({'torch', 'numpy', 'optuna', 'mlflow', 'sqlalchemy', 'timm'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
