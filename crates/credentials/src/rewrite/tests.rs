use std::os::unix::fs::symlink;
use std::thread;

use super::*;

/// Replaces the file at `path` by `new`.
fn replace(path: &Path, new: &str) -> Result<(), RewriteError> {
    rewrite(path, |_| Ok(Some(new.as_bytes().to_vec())))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn a_new_file_is_for_its_user_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/config.json");
    replace(&path, "x").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "x");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&directory.path().join("a/b")), 0o700);
    assert_eq!(names(&directory.path().join("a/b")), ["config.json"]);
}

#[test]
fn the_mode_of_an_old_file_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    for bits in [0o400, 0o600, 0o640, 0o644] {
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(bits)).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(mode(&path), bits);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_symlink_stays_and_its_target_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("dotfiles")).unwrap();
    fs::create_dir(at("docker")).unwrap();
    symlink("../dotfiles/link", at("docker/config.json")).unwrap();
    symlink(at("dotfiles/docker.json"), at("dotfiles/link")).unwrap();
    // Whether the target is there or not.
    for text in ["one", "two"] {
        replace(&at("docker/config.json"), text).unwrap();
        assert_eq!(
            fs::read_to_string(at("dotfiles/docker.json")).unwrap(),
            text
        );
    }
    assert_eq!(names(&at("docker")), ["config.json"]);
    assert!(at("docker/config.json").is_symlink());
    assert!(at("dotfiles/link").is_symlink());

    symlink("loop", at("loop")).unwrap();
    assert!(matches!(
        replace(&at("loop"), "x"),
        Err(RewriteError::Io(..))
    ));
}

#[test]
fn nothing_is_made_where_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    rewrite(&directory.path().join("a/config.json"), |_| Ok(None)).unwrap();
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

#[test]
fn what_fails_leaves_the_file_and_nothing_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    fs::write(&path, "old").unwrap();
    let error = rewrite(&path, |_| {
        Err(CredentialParseError::wrong_type("auths", "an object"))
    });
    assert!(matches!(
        error,
        Err(RewriteError::File(CredentialReadError::Broken { .. }))
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(directory.path()), ["config.json"]);
    // A device, and not a file to be replaced.
    let null = directory.path().join("null");
    symlink("/dev/null", &null).unwrap();
    assert!(matches!(
        replace(&null, "x"),
        Err(RewriteError::NotAFile(_))
    ));
}

/// Docker, which knows no lock, changes the file in the middle: its change is not lost.
#[test]
fn a_change_by_others_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    fs::write(&path, "a").unwrap();
    let mut calls = 0;
    rewrite(&path, |old| {
        calls += 1;
        if calls < 3 {
            fs::write(&path, format!("others{calls}")).unwrap();
        }
        Ok(Some([old, b"+mine"].concat()))
    })
    .unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "others2+mine");

    let mut calls = 0;
    let error = rewrite(&path, |_| {
        calls += 1;
        fs::write(&path, format!("others{calls}")).unwrap();
        Ok(Some(b"mine".to_vec()))
    });
    assert!(matches!(error, Err(RewriteError::Contended(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "others10");
}

#[test]
fn changes_at_once_are_all_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    thread::scope(|scope| {
        for letter in b'a'..=b'p' {
            let path = &path;
            scope.spawn(move || {
                rewrite(path, |old| Ok(Some([old, &[letter]].concat()))).unwrap();
            });
        }
    });
    let mut letters = fs::read(&path).unwrap();
    letters.sort_unstable();
    assert_eq!(letters, b"abcdefghijklmnop");
}

/// Whoever can read a directory can lock it, and need not ever let go.
#[test]
fn a_lock_that_is_never_given_back_is_not_waited_for_without_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    fs::write(&path, "old").unwrap();
    let other = File::open(directory.path()).unwrap();
    flock(&other, FlockOperation::LockShared).unwrap();
    let error = rewrite_within(Duration::ZERO, &path, |_| Ok(Some(b"new".to_vec())));
    let Err(RewriteError::Io(named, error)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(named, path);
    assert_eq!(
        error.to_string(),
        "another program has its directory locked"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(directory.path()), ["config.json"]);
}

/// I7: of a login that was killed no secret stays behind.
#[test]
fn what_a_killed_login_left_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    fs::write(directory.path().join(".windlass-auth-x8Zq1a"), "hunter2").unwrap();
    fs::write(directory.path().join(".windlass"), "another's").unwrap();
    replace(&path, "new").unwrap();
    assert_eq!(names(directory.path()), [".windlass", "config.json"]);
}

/// What could not be read again is not written.
#[test]
fn a_file_does_not_grow_beyond_what_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let largest = usize::try_from(places::LARGEST).unwrap();
    replace(&path, &" ".repeat(largest)).unwrap();
    let error = replace(&path, &" ".repeat(largest + 1));
    assert!(matches!(
        error,
        Err(RewriteError::File(CredentialReadError::TooLarge { .. }))
    ));
    assert_eq!(fs::metadata(&path).unwrap().len(), places::LARGEST);
}
