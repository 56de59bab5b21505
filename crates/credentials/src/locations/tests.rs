use std::fs;

use super::*;

fn paths(locations: &CredentialLocations) -> Vec<String> {
    let locations = locations.in_order();
    locations.iter().map(ToString::to_string).collect()
}

#[test]
fn locations_are_searched_in_order() {
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
fn logins_are_stored_in_the_configured_or_dockers_file() {
    let mut locations = CredentialLocations::default();
    assert_eq!(locations.for_login(), None);
    locations.home = Some("/home/me".into());
    let docker = PathBuf::from("/home/me/.docker/config.json");
    assert_eq!(
        locations.for_login(),
        Some((docker, CredentialFileFormat::Docker))
    );
    locations.explicit = Some("/x".into());
    assert_eq!(
        locations.for_login(),
        Some(("/x".into(), CredentialFileFormat::Podman))
    );
}

/// Reads the first of the locations.
fn first(locations: &CredentialLocations) -> Result<Option<CredentialFile>, CredentialReadError> {
    locations.read(&locations.file_sources()[0])
}

#[test]
fn missing_files_are_ignored_unless_configured() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let default = CredentialLocations {
        docker: Some(directory.path().into()),
        ..CredentialLocations::default()
    };
    assert!(first(&default).unwrap().is_none());
    let below_a_file = CredentialLocations {
        docker: Some(path.clone()),
        ..CredentialLocations::default()
    };
    fs::write(&path, "").unwrap();
    assert!(first(&below_a_file).unwrap().is_none());
    let configured = CredentialLocations {
        explicit: Some(directory.path().join("auth.json")),
        ..CredentialLocations::default()
    };
    let error = first(&configured).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the credential file {}/auth.json does not exist",
            directory.path().display()
        )
    );
}

#[test]
fn unusable_files_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let locations = CredentialLocations {
        docker: Some(directory.path().into()),
        ..CredentialLocations::default()
    };
    fs::create_dir(&path).unwrap();
    let error = first(&locations).unwrap_err();
    assert!(matches!(error, CredentialReadError::Unreadable { path: of, .. } if of == path));
    fs::remove_dir(&path).unwrap();

    fs::write(&path, r#"{"auths":1}"#).unwrap();
    let error = first(&locations).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot use the credentials in {}", path.display())
    );

    let largest = usize::try_from(MAX_FILE_SIZE).unwrap();
    fs::write(&path, "{}".to_owned() + &" ".repeat(largest - 2)).unwrap();
    assert!(first(&locations).unwrap().is_some());
    fs::write(&path, "{}".to_owned() + &" ".repeat(largest - 1)).unwrap();
    assert!(matches!(
        first(&locations).unwrap_err(),
        CredentialReadError::TooLarge { .. }
    ));
}

/// I7.
#[test]
fn the_text_is_read_but_not_shown() {
    let locations = |text: &str| CredentialLocations {
        text: Some(Secret::new(text)),
        ..CredentialLocations::default()
    };
    assert!(first(&locations("")).unwrap().is_some());
    let broken = locations("hunter2");
    let error = first(&broken).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use the credentials in DOCKER_AUTH_CONFIG"
    );
    assert!(!format!("{broken:?} {error:?}").contains("hunter2"));
    let large = locations(&" ".repeat((1 << 20) + 1));
    assert!(matches!(
        first(&large).unwrap_err(),
        CredentialReadError::TooLarge { .. }
    ));
}

/// T30: a fifo is rejected, and at most the size limit is read from a device.
#[test]
fn special_files_do_not_block() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let locations = CredentialLocations {
        docker: Some(directory.path().into()),
        ..CredentialLocations::default()
    };
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let error = first(&locations).unwrap_err();
    let CredentialReadError::Unreadable { source, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(source.to_string(), "it is a pipe");
    fs::remove_file(&path).unwrap();

    symlink("/dev/null", &path).unwrap();
    assert!(first(&locations).unwrap().is_some());
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    assert!(matches!(
        first(&locations),
        Err(CredentialReadError::TooLarge { .. })
    ));
    fs::remove_file(&path).unwrap();

    let sparse = File::create(&path).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert!(matches!(
        first(&locations),
        Err(CredentialReadError::TooLarge { .. })
    ));
}
