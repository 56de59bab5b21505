use std::fs;

use super::*;

fn paths(places: &CredentialLocations) -> Vec<String> {
    let places = places.in_order();
    places.iter().map(ToString::to_string).collect()
}

#[test]
fn places_are_looked_at_in_their_order() {
    let home = CredentialLocations {
        home: Some("/home/me".into()),
        ..CredentialLocations::default()
    };
    assert_eq!(
        paths(&home),
        [
            "/home/me/.docker/config.json",
            "/home/me/.config/containers/auth.json",
            "/home/me/.dockercfg"
        ]
    );
    let all = CredentialLocations {
        explicit: Some("/x/auth.json".into()),
        text: Some(Secret::new("{}")),
        docker: Some("/docker".into()),
        runtime: Some("/run/user/1".into()),
        config: Some("/config".into()),
        ..home
    };
    assert_eq!(
        paths(&all),
        [
            "/x/auth.json",
            "DOCKER_AUTH_CONFIG",
            "/docker/config.json",
            "/run/user/1/containers/auth.json",
            "/config/containers/auth.json",
            "/home/me/.dockercfg"
        ]
    );
    assert_eq!(paths(&CredentialLocations::default()), Vec::<String>::new());
}

#[test]
fn a_login_goes_into_the_named_file_or_dockers() {
    let mut places = CredentialLocations::default();
    assert_eq!(places.for_login(), None);
    places.home = Some("/home/me".into());
    let docker = PathBuf::from("/home/me/.docker/config.json");
    assert_eq!(
        places.for_login(),
        Some((docker, CredentialFileFormat::Docker))
    );
    places.explicit = Some("/x".into());
    assert_eq!(
        places.for_login(),
        Some(("/x".into(), CredentialFileFormat::Podman))
    );
}

/// Reads the first of `places`.
fn first(places: &CredentialLocations) -> Result<Option<CredentialFile>, CredentialReadError> {
    places.read(&places.spots()[0])
}

#[test]
fn what_is_missing_is_nothing_unless_it_was_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let usual = CredentialLocations {
        docker: Some(directory.path().into()),
        ..CredentialLocations::default()
    };
    assert!(first(&usual).unwrap().is_none());
    let below_a_file = CredentialLocations {
        docker: Some(path.clone()),
        ..CredentialLocations::default()
    };
    fs::write(&path, "").unwrap();
    assert!(first(&below_a_file).unwrap().is_none());
    let named = CredentialLocations {
        explicit: Some(directory.path().join("auth.json")),
        ..CredentialLocations::default()
    };
    let error = first(&named).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}/auth.json was named for credentials, and is not there",
            directory.path().display()
        )
    );
}

#[test]
fn what_is_there_and_of_no_use_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let places = CredentialLocations {
        docker: Some(directory.path().into()),
        ..CredentialLocations::default()
    };
    fs::create_dir(&path).unwrap();
    let error = first(&places).unwrap_err();
    assert!(matches!(error, CredentialReadError::Unreadable { path: of, .. } if of == path));
    fs::remove_dir(&path).unwrap();

    fs::write(&path, r#"{"auths":1}"#).unwrap();
    let error = first(&places).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot use the credentials in {}", path.display())
    );

    let largest = usize::try_from(LARGEST).unwrap();
    fs::write(&path, "{}".to_owned() + &" ".repeat(largest - 2)).unwrap();
    assert!(first(&places).unwrap().is_some());
    fs::write(&path, "{}".to_owned() + &" ".repeat(largest - 1)).unwrap();
    assert!(matches!(
        first(&places).unwrap_err(),
        CredentialReadError::TooLarge { .. }
    ));
}

/// I7.
#[test]
fn the_text_is_read_and_not_shown() {
    let places = |text: &str| CredentialLocations {
        text: Some(Secret::new(text)),
        ..CredentialLocations::default()
    };
    assert!(first(&places("")).unwrap().is_some());
    let broken = places("hunter2");
    let error = first(&broken).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use the credentials in DOCKER_AUTH_CONFIG"
    );
    assert!(!format!("{broken:?} {error:?}").contains("hunter2"));
    let large = places(&" ".repeat((1 << 20) + 1));
    assert!(matches!(
        first(&large).unwrap_err(),
        CredentialReadError::TooLarge { .. }
    ));
}

/// T30: nothing is waited for. A pipe is no file, a device says what it says, at most so much of it.
#[test]
fn what_is_no_file_keeps_nobody_waiting() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let places = CredentialLocations {
        docker: Some(directory.path().into()),
        ..CredentialLocations::default()
    };
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let error = first(&places).unwrap_err();
    let CredentialReadError::Unreadable { source, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(source.to_string(), "it is a pipe");
    fs::remove_file(&path).unwrap();

    symlink("/dev/null", &path).unwrap();
    assert!(first(&places).unwrap().is_some());
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    assert!(matches!(
        first(&places),
        Err(CredentialReadError::TooLarge { .. })
    ));
    fs::remove_file(&path).unwrap();

    let sparse = File::create(&path).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert!(matches!(
        first(&places),
        Err(CredentialReadError::TooLarge { .. })
    ));
}
