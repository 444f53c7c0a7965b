"""Settings: sources and their order, and what is said of wrong ones."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.config import OPTIONS, Config, ConfigError, load


def refusal(command_line: dict[str, str | list[str]], environment: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(command_line, environment)
    return str(caught.value)


def test_defaults() -> None:
    assert load({}, {"PATH": "x", "SFUX": "y"}) == Config()
    assert (Config().host, Config().port, Config().rtc_port) == ("127.0.0.1", 8080, 7882)
    assert (Config().relay, Config().tls, Config().max_room_size) == ("forward", "off", 100)


def test_every_field_is_an_option_with_help() -> None:
    assert set(OPTIONS) == set(Config.__slots__)
    assert all(option.help and option.metavar for option in OPTIONS.values())


def test_sources_in_order(tmp_path: Path) -> None:
    file = tmp_path / "sfu.toml"
    file.write_text('host = "0.0.0.0"\nport = 1\nrtc-port = 2\npublic_ip = ["203.0.113.7", "2001:db8::1"]\n')
    environment = {"SFU_CONFIG": str(file), "SFU_PORT": "3", "SFU_RTC_PORT": "4"}
    config = load({"rtc_port": "5"}, environment)
    assert (config.host, config.port, config.rtc_port) == ("0.0.0.0", 3, 5)
    assert config.public_ip == ("203.0.113.7", "2001:db8::1")
    other = tmp_path / "other.toml"
    other.write_text("port = 9")
    assert load({"config": str(other)}, {"SFU_CONFIG": str(file)}).port == 9
    other.write_text("last-n = 5")
    assert load({"config": str(other)}, {"SFU_PORT": "3"}).last_n == 5
    assert load({"config": str(other)}, {"SFU_LAST_N": "7"}).last_n == 7


def test_lists() -> None:
    config = load({"public_ip": ["203.0.113.7", "203.0.113.8"]}, {"SFU_PUBLIC_IP": "203.0.113.9"})
    assert config.public_ip == ("203.0.113.7", "203.0.113.8")
    config = load({}, {"SFU_PUBLIC_IP": "203.0.113.9, ::1", "SFU_ALLOW_ORIGIN": "HTTPS://Example.org/"})
    assert config.public_ip == ("203.0.113.9", "::1")
    assert config.allow_origin == ("https://example.org",)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("port", "abc", "--port can't be 'abc': it must be a whole number from 0 to 65535."),
        ("port", "65536", "from 0 to 65535"),
        ("port", "-1", "from 0 to 65535"),
        ("last_n", "-1", "--last-n can't be '-1': it must be a whole number from 0 to 10000."),
        ("rtc_port", "", "--rtc-port can't be ''"),
        ("host", " ", "it is empty"),
        ("rtc_host", "example.org", "IPv4 or IPv6 address"),
        ("public_ip", "203.0.113", "IPv4 or IPv6 address"),
        ("relay", "mirror", "one of: forward, media"),
        ("tls", "yes", "one of: off, self-signed"),
        ("log_level", "loud", "one of: debug, info, warning, error"),
        ("max_room_size", "0", "from 1 to 10000"),
        ("allow_origin", "example.org", "an origin such as https://example.org"),
        ("allow_origin", "https://example.org/page", "an origin such as"),
        ("allow_origin", "file:///x", "an origin such as"),
        ("tls_cert", "nowhere.pem", "there is no such file"),
    ],
)
def test_bad_values(name: str, text: str, words: str) -> None:
    assert words in refusal({name: text}, {})
    variable = f"SFU_{name.upper()}"
    assert f"{variable} can't be" in refusal({}, {variable: text})


def test_unknown_names(tmp_path: Path) -> None:
    assert refusal({}, {"SFU_PRT": "1"}) == "There is no setting SFU_PRT. Did you mean SFU_PORT?"
    assert "There are: SFU_HOST, " in refusal({}, {"SFU_XYZZY": "1"})
    file = tmp_path / "sfu.toml"
    file.write_text("publicip = '::1'")
    assert "Did you mean public_ip?" in refusal({"config": str(file)}, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = [", "is not TOML"),
        ("port = true", "must be a text, a whole number or a list"),
        ("port = 1.5", "must be a text, a whole number or a list"),
        ("port = [1]", "must be a text, a whole number or a list"),
        ('port = ["1"]', "it takes one value, not a list"),
        ("port = 70000", "from 0 to 65535"),
        ("[server]\nport = 1", "there is no setting 'server'"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "sfu.toml"
    file.write_text(text)
    message = refusal({"config": str(file)}, {})
    assert words in message
    assert "sfu.toml" in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "There is no settings file" in refusal({"config": str(tmp_path / "none.toml")}, {})
    assert "can't be read" in refusal({"config": str(tmp_path)}, {})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "is not TOML" in refusal({"config": str(tmp_path / "binary")}, {})


def test_settings_that_do_not_go_together(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    file.touch()
    assert "--tls-cert needs --tls-key" in refusal({"tls_cert": str(file)}, {})
    assert "--tls-key needs --tls-cert" in refusal({"tls_key": str(file)}, {})
    both: dict[str, str | list[str]] = {"tls_cert": str(file), "tls_key": str(file)}
    assert "makes its own" in refusal(both | {"tls": "self-signed"}, {})
    assert "leave out last-n" in refusal({"relay": "media", "last_n": "3"}, {})
    assert load(both, {}).tls_cert == file


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(OPTIONS)), st.text(max_size=30))
def test_any_text_in_the_environment(name: str, text: str) -> None:
    try:
        load({}, {f"SFU_{name.upper()}": text})
    except ConfigError as error:
        assert str(error).endswith(".")  # noqa: PT017


def test_the_node_secret_is_shown_nowhere() -> None:
    with pytest.raises(ConfigError) as wrong:
        load({"node_secret": "between\nus"}, {})
    assert "between" not in str(wrong.value)
    assert "--node-secret" in str(wrong.value)
    assert "between us" not in repr(load({"node_secret": "between us"}, {}))
