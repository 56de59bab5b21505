use std::os::unix::fs::symlink;
use std::thread;

use super::*;

/// Replaces the content of the file at `path`.
fn replace(path: &Path, new: &str) -> Result<(), RewriteError> {
    rewrite(path, |_| Ok(Some(new.as_bytes().to_vec())))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Returns the names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn a_new_file_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/config.json");
    replace(&path, "x").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "x");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&directory.path().join("a/b")), 0o700);
    assert_eq!(names(&directory.path().join("a/b")), ["config.json"]);
}

#[test]
fn the_mode_of_an_existing_file_is_preserved() {
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
fn symlinks_are_preserved() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("dotfiles")).unwrap();
    fs::create_dir(at("docker")).unwrap();
    symlink("../dotfiles/link", at("docker/config.json")).unwrap();
    symlink(at("dotfiles/docker.json"), at("dotfiles/link")).unwrap();
    // First the target is missing, then it exists.
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
fn an_edit_without_a_change_creates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    rewrite(&directory.path().join("a/config.json"), |_| Ok(None)).unwrap();
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

#[test]
fn a_failed_edit_changes_nothing() {
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
    // A device is not replaced.
    let null = directory.path().join("null");
    symlink("/dev/null", &null).unwrap();
    assert!(matches!(
        replace(&null, "x"),
        Err(RewriteError::NotAFile(_))
    ));
}

/// Docker does not lock. Its change between reading and renaming is not lost.
#[test]
fn concurrent_changes_by_other_programs_are_preserved() {
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
fn concurrent_edits_are_all_applied() {
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

/// Another process can hold the lock forever.
#[test]
fn waiting_for_the_lock_has_a_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    fs::write(&path, "old").unwrap();
    let other = File::open(directory.path()).unwrap();
    flock(&other, FlockOperation::LockShared).unwrap();
    let error = rewrite_with_timeout(Duration::ZERO, &path, |_| Ok(Some(b"new".to_vec())));
    let Err(RewriteError::Io(reported, error)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(reported, path);
    assert_eq!(
        error.to_string(),
        "another program has its directory locked"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(directory.path()), ["config.json"]);
}

/// I7: a killed login leaves no secret behind.
#[test]
fn temporary_files_of_killed_processes_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    fs::write(directory.path().join(".windlass-auth-x8Zq1a"), "hunter2").unwrap();
    fs::write(directory.path().join(".windlass"), "other").unwrap();
    replace(&path, "new").unwrap();
    assert_eq!(names(directory.path()), [".windlass", "config.json"]);
}

/// A file that could not be read again is not written.
#[test]
fn the_size_limit_applies_to_writing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let largest = usize::try_from(locations::MAX_FILE_SIZE).unwrap();
    replace(&path, &" ".repeat(largest)).unwrap();
    let error = replace(&path, &" ".repeat(largest + 1));
    assert!(matches!(
        error,
        Err(RewriteError::File(CredentialReadError::TooLarge { .. }))
    ));
    assert_eq!(fs::metadata(&path).unwrap().len(), locations::MAX_FILE_SIZE);
}
