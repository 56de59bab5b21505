use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn addresses_have_a_scheme() {
    let parse = |text: &str| text.parse::<Address>();
    assert_eq!(
        parse("unix:///run/x.sock"),
        Ok(Address::Unix("/run/x.sock".into()))
    );
    let tcp = Address::Tcp(([127, 0, 0, 1], 2376).into());
    assert_eq!(parse("tcp://127.0.0.1:2376"), Ok(tcp));
    assert_eq!(parse("fd://"), Ok(Address::Inherited(None)));
    assert_eq!(parse("fd://*"), Ok(Address::Inherited(None)));
    assert_eq!(
        parse("fd://api"),
        Ok(Address::Inherited(Some("api".into())))
    );
    for odd in [
        "",
        "/run/x",
        "unix://x",
        "unix://",
        "unix:///a\0b",
        "tcp://host:1",
        "tcp://:2376",
        "npipe:////x",
    ] {
        assert!(parse(odd).is_err(), "{odd}");
    }
}

/// T49: whatever the umask is, here the one of whoever runs the tests.
#[test]
fn sockets_are_their_owners_and_groups() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("new/d.sock");
    let group = fs::metadata(directory.path()).unwrap().gid().to_string();
    let bound = bind(&path, Some(&group)).unwrap();
    assert_eq!(mode(&path), unix::MODE);
    assert_eq!(mode(path.parent().unwrap()) & 0o022, 0);
    assert!(matches!(bind(&path, None), Err(BindError::Live { .. })));
    drop(bound);
    assert!(!path.exists());
}

#[test]
fn stale_sockets_are_replaced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("d.sock");
    // As a daemon that was killed leaves it.
    drop(UnixListener::bind(&path).unwrap());
    let second = bind(&path, None).unwrap();
    // Another daemon's does not go with this one.
    fs::remove_file(&path).unwrap();
    let third = bind(&path, None).unwrap();
    drop(second);
    assert!(path.exists());
    drop(third);
    assert!(!path.exists());
}

/// T49.
#[test]
fn what_is_no_socket_stays_and_what_others_could_replace_is_refused() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("canary"), "x").unwrap();
    symlink(at("canary"), at("link")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    for name in ["canary", "link", "dangling"] {
        let refused = bind(&at(name), None);
        assert!(
            matches!(refused, Err(BindError::NotASocket { .. })),
            "{name}"
        );
    }
    assert_eq!(fs::read(at("canary")).unwrap(), b"x");
    assert!(!at("nowhere").exists());
    fs::create_dir(at("open")).unwrap();
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = bind(&at("open/d.sock"), None);
    assert!(matches!(refused, Err(BindError::Exposed { .. })));
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(bind(&at("open/d.sock"), None).is_ok());
}

#[test]
fn groups_and_long_paths_are_refused_before_anything_is_made() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a/d.sock");
    let none = bind(&path, Some("no-such-group")).unwrap_err();
    assert_eq!(
        none.to_string(),
        "there is no group \"no-such-group\" for the socket"
    );
    let long = directory.path().join("a").join("x".repeat(100));
    let long = bind(&long, None).unwrap_err().to_string();
    assert!(long.contains("is too long for a socket: "), "{long}");
    assert!(!directory.path().join("a").exists());
    assert_eq!(find_group("root").unwrap(), 0);
    assert_eq!(find_group("17").unwrap(), 17);
}
