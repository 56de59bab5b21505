//! Unusual files, directories and names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::Command;

use windlass_config::{ConfigPaths, Configuration, WindlassFiles};

use crate::support::{CERTIFICATE, Files, hosts, overview};

fn pipe(files: &Files, name: &str) {
    let path = files.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
}

/// No process writes into the pipes: opening one would block.
#[test]
fn pipes_and_devices_are_rejected() {
    for place in ["system.toml", "daemon.json", "first/_default/hosts.toml"] {
        for device in [None, Some("/dev/zero"), Some("/dev/tty")] {
            let files = Files::new(&[("first/b.test/ca.crt", CERTIFICATE)]);
            match device {
                None => pipe(&files, place),
                Some(device) => {
                    fs::create_dir_all(files.path(place).parent().unwrap()).unwrap();
                    symlink(device, files.path(place)).unwrap();
                }
            }
            let expected = format!("{place}: it is not a regular file");
            assert_eq!(files.load().unwrap_err(), expected);
        }
    }
    let files = Files::new(&[
        ("system.toml", "[registry.'c.test']\nca = 'pipe'"),
        ("first/d.test/ca.crt", CERTIFICATE),
    ]);
    for name in [
        "pipe",
        "first/a.test/hosts.toml",
        "first/b.test/ca.crt",
        "first/e.test",
        "second",
    ] {
        pipe(&files, name);
    }
    let loaded = files.load().unwrap();
    for (registry, expected) in [
        (
            "a.test",
            "first/a.test/hosts.toml: it is not a regular file",
        ),
        (
            "b.test",
            "first/b.test: first/b.test/ca.crt: it is not a regular file",
        ),
        (
            "c.test",
            "system.toml:2:1: registry.\"c.test\".ca: pipe: it is not a regular file",
        ),
    ] {
        assert_eq!(files.registry_error(&loaded, registry), expected);
    }
    assert!(loaded.registry("d.test").is_ok());
}

/// A broken link is the same as a missing file, as for Docker and containerd. A link to itself is an error of its
/// registry, because its configuration cannot be read.
#[test]
fn links_to_directories_are_followed() {
    let files = Files::new(&[
        ("elsewhere/hosts.toml", "server = 'elsewhere.test'"),
        ("first/fine.test/ca.crt", CERTIFICATE),
    ]);
    for (name, to) in [
        ("there.test", "../elsewhere"),
        ("nowhere.test", "../nowhere"),
        ("loop.test", "loop.test"),
    ] {
        symlink(to, files.path("first").join(name)).unwrap();
    }
    symlink("../../loop", files.path("first/fine.test/none.crt")).unwrap();
    symlink("loop", files.path("loop")).unwrap();
    let loaded = files.load().unwrap();
    assert_eq!(hosts(&loaded, "there.test"), ["https://elsewhere.test/"]);
    assert!(loaded.registry("nowhere.test").is_ok());
    assert_eq!(
        files.findings(&loaded),
        ["first/nowhere.test: cannot be read, ignored: entity not found"]
    );
    assert_eq!(
        files.registry_error(&loaded, "loop.test"),
        "first/loop.test: it cannot be read: Too many levels of symbolic links (os error 40)"
    );
    assert_eq!(
        files.registry_error(&loaded, "fine.test"),
        "first/fine.test: first/fine.test/none.crt: it cannot be read: Too many levels of symbolic \
         links (os error 40)"
    );
}

/// Of two directories for one registry, the one with exactly its name takes precedence.
#[test]
fn a_directory_with_the_exact_name_goes_first() {
    let files = Files::new(&[
        ("first/A.test/hosts.toml", "server = 'upper.test'"),
        ("first/a.test/hosts.toml", "server = 'lower.test'"),
        ("first/B.test_5000_/hosts.toml", "server = 'upper.test'"),
        ("first/b.test:5000/hosts.toml", "server = 'colon.test'"),
    ]);
    let loaded = files.load().unwrap();
    assert_eq!(hosts(&loaded, "a.test"), ["https://lower.test/"]);
    assert_eq!(hosts(&loaded, "b.test:5000"), ["https://colon.test/"]);
}

/// IPv6 addresses as containerd and Docker write them, names in other alphabets, and invalid names.
#[test]
fn directories_have_the_names_of_hosts() {
    let files = Files::new(&[]);
    for (name, text) in [
        ("[fd00::1]_5000_", "server = 'v6-port.test'"),
        ("[fd00::2]:5000", "server = 'v6-colon.test'"),
        ("[fd00::3]", "server = 'v6.test'"),
        ("10.0.0.1_5000_", "server = 'v4.test'"),
        ("my_host.test_5000_", "server = 'underscore.test'"),
        ("xn--bcher-kva.test", "server = 'punycode.test'"),
        ("b\u{fc}cher.test", "server = 'unicode.test'"),
        ("a.test_99999_", "server = 'no-port.test'"),
        ("a.test_x_", "server = 'no-number.test'"),
        ("__", "server = 'nothing.test'"),
        ("_5000_", "server = 'no-host.test'"),
        ("_default_5000_", "server = 'no-default.test'"),
        ("docker.io", "server = 'hub.test'"),
    ] {
        files.write(&format!("first/{name}/hosts.toml"), text);
    }
    let loaded = files.load().unwrap();
    for (registry, expected) in [
        ("[fd00::1]:5000", "https://v6-port.test/"),
        ("[fd00::2]:5000", "https://v6-colon.test/"),
        ("[fd00::3]", "https://v6.test/"),
        ("10.0.0.1:5000", "https://v4.test/"),
        ("xn--bcher-kva.test", "https://punycode.test/"),
        ("docker.io", "https://hub.test/"),
    ] {
        assert_eq!(hosts(&loaded, registry), [expected], "{registry}");
    }
    let named: Vec<&str> = loaded.registries.keys().map(String::as_str).collect();
    assert_eq!(
        named,
        [
            "10.0.0.1:5000",
            "[fd00::1]:5000",
            "[fd00::2]:5000",
            "[fd00::3]",
            "docker.io",
            "xn--bcher-kva.test",
        ]
    );
    for name in [
        "b\u{fc}cher.test",
        "a.test_99999_",
        "a.test_x_",
        "__",
        "_5000_",
    ] {
        assert!(
            loaded.findings.iter().any(|finding| finding
                .origin
                .path
                .starts_with(files.path("first").join(name))),
            "{name}"
        );
    }
}

/// The overview can be written as JSON, whatever the names of directories are.
#[test]
fn the_overview_has_paths_that_are_not_utf8() {
    let files = Files::new(&[("system.toml", "downloads = 1")]);
    let odd = files.path("").join(OsStr::from_bytes(b"od\xffd"));
    fs::create_dir_all(odd.join(OsStr::from_bytes(b"\xff.test"))).unwrap();
    fs::create_dir_all(odd.join("a.test")).unwrap();
    fs::write(odd.join("a.test/hosts.toml"), "server = 's.test'").unwrap();
    fs::write(odd.join("windlass.toml"), "downloads = 1").unwrap();
    let paths = ConfigPaths {
        windlass: WindlassFiles::Only(odd.join("windlass.toml")),
        certs_dirs: vec![odd],
        daemon_json: None,
    };
    let loaded = Configuration::load(&paths).unwrap();
    let json = serde_json::to_value(overview(&loaded)).unwrap();
    let path = json["sources"][0]["path"].as_str().unwrap();
    assert!(path.ends_with("od\u{fffd}d/windlass.toml"), "{path}");
    assert_eq!(hosts(&loaded, "a.test"), ["https://s.test/"]);
}

/// This crate does not read the home directory, so `~` is an error.
#[test]
fn a_tilde_is_an_error() {
    for (text, expected) in [
        ("root = '~/images'", "system.toml:1:1: root"),
        ("ca = ['~/ca.pem']", "system.toml:1:7: ca[0]"),
        ("certs-dirs = ['~']", "system.toml:1:15: certs-dirs[0]"),
        ("daemon-json = '~me/x'", "system.toml:1:1: daemon-json"),
        (
            "[registry.'a.test']\nclient = { cert = 'a', key = '~/me.key' }",
            "system.toml:2:24: registry.\"a.test\".client.key",
        ),
        (
            "[registry.'a.test']\nclient = [['~/a', 'b']]",
            "system.toml:2:12: registry.\"a.test\".client[0][0]",
        ),
    ] {
        let files = Files::new(&[("system.toml", text)]);
        assert_eq!(
            files.load().unwrap_err(),
            format!(
                "{expected}: `~` does not stand for the home directory here: write the whole path"
            )
        );
    }
}

/// A configured directory that does not exist is a finding.
#[test]
fn missing_configured_directories_are_findings() {
    let files = Files::new(&[("system.toml", "certs-dirs = ['certs', 'first/../other']")]);
    files.write("other/a.test/hosts.toml", "server = 's.test'");
    fs::create_dir(files.path("first")).unwrap();
    let loaded = files.load().unwrap();
    assert_eq!(hosts(&loaded, "a.test"), ["https://s.test/"]);
    assert_eq!(
        files.findings(&loaded),
        ["certs: there is no such directory"]
    );
}
