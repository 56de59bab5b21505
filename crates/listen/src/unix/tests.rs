use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::Listener;

const MODE: u32 = 0o660;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn bind(path: &Path, group: Option<&str>) -> Result<Listener, BindError> {
    let options = UnixSocketOptions {
        mode: MODE,
        group: group.map(str::to_owned),
        prepare_directory: true,
    };
    Listener::bind_unix(path, &options)
}

/// T49: the mode does not depend on the umask, here that of the process that runs the tests.
#[test]
fn a_socket_is_for_its_owner_and_group() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("new/d.sock");
    let group = fs::metadata(directory.path()).unwrap().gid().to_string();
    let bound = bind(&path, Some(&group)).unwrap();
    assert_eq!(mode(&path), MODE);
    assert_eq!(mode(path.parent().unwrap()) & 0o022, 0);
    assert!(matches!(bind(&path, None), Err(BindError::InUse { .. })));
    drop(bound);
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_is_replaced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("d.sock");
    // A process that is killed leaves this.
    drop(UnixListener::bind(&path).unwrap());
    let second = bind(&path, None).unwrap();
    // The socket of another process is not removed with this one.
    fs::remove_file(&path).unwrap();
    let third = bind(&path, None).unwrap();
    drop(second);
    assert!(path.exists());
    drop(third);
    assert!(!path.exists());
}

/// Two processes may find the same stale socket: the slower one must not remove the new socket of the other.
#[test]
fn a_socket_that_replaced_a_stale_one_is_not_removed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("d.sock");
    drop(UnixListener::bind(&path).unwrap());
    let stale = PathEntry::open(&path).unwrap();
    let replaced = bind(&path, None).unwrap();
    stale.remove().unwrap();
    assert!(UnixStream::connect(&path).is_ok());

    let own = PathEntry::open(&path).unwrap();
    own.remove().unwrap();
    assert!(!path.exists());
    drop(replaced);
}

/// T49.
#[test]
fn files_and_exposed_directories_are_refused() {
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
    fs::set_permissions(at("open"), Permissions::from_mode(0o777)).unwrap();
    let refused = bind(&at("open/d.sock"), None);
    assert!(matches!(refused, Err(BindError::ExposedDirectory { .. })));
    fs::set_permissions(at("open"), Permissions::from_mode(0o1777)).unwrap();
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
    let length = long.as_os_str().len();
    assert_eq!(
        bind(&long, None).unwrap_err().to_string(),
        format!(
            "{} is too long for a socket: {length} bytes, the limit is 107",
            long.display()
        )
    );
    assert!(!directory.path().join("a").exists());
    assert_eq!(find_group("root").unwrap(), 0);
    assert_eq!(find_group("17").unwrap(), 17);
}
