//! Where things are looked for.

use super::*;

fn environment() -> Environment {
    Environment {
        home: Some("/home/me".into()),
        ignores_system_config: true,
        ..Environment::default()
    }
}

fn settings() -> Settings {
    Settings {
        loaded: Loaded::default(),
        registry: RegistryConfig::default(),
    }
}

#[test]
fn the_store_is_where_the_user_keeps_data() {
    let root_of = |environment: Environment| settings().root(None, &environment).unwrap();
    assert_eq!(
        root_of(environment()),
        Path::new("/home/me/.local/share/windlass")
    );
    let xdg = Environment {
        xdg_data_home: Some("/data".into()),
        ..environment()
    };
    assert_eq!(root_of(xdg), Path::new("/data/windlass"));
    let superuser = Environment {
        is_root: true,
        ..environment()
    };
    assert_eq!(root_of(superuser.clone()), Path::new("/var/lib/windlass"));
    let asked = settings().root(Some(Path::new("x")), &superuser);
    assert_eq!(asked.unwrap(), Path::new("x"));
    assert!(matches!(
        settings().root(None, &Environment::default()),
        Err(Error::NoRoot)
    ));
}

/// The command line before the file, the file before the default.
#[test]
fn a_configured_store_is_used_unless_another_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("windlass.toml");
    fs::write(&file, "root = \"images\"\n").unwrap();
    let settings = Settings::load(Some(&file), &[], &environment()).unwrap();
    let root = |asked| settings.root(asked, &environment()).unwrap();
    assert_eq!(root(None), directory.path().join("images"));
    assert_eq!(root(Some(Path::new("x"))), Path::new("x"));
}

/// The user's before the machine's; the keys of a later `windlass.toml` win.
#[test]
fn the_users_own_files_decide() {
    let user = Environment {
        ignores_system_config: false,
        ..environment()
    };
    let found = places(None, &user);
    let files = [
        "/etc/windlass/windlass.toml",
        "/home/me/.config/windlass/windlass.toml",
    ];
    assert_eq!(
        found.windlass,
        WindlassFiles::Usual(files.map(PathBuf::from).into())
    );
    assert_eq!(
        found.certs_dirs,
        [
            "/home/me/.config/windlass/certs.d",
            "/etc/windlass/certs.d",
            "/home/me/.config/docker/certs.d",
            "/home/me/.config/containers/certs.d",
            "/etc/containerd/certs.d",
            "/etc/docker/certs.d",
            "/etc/containers/certs.d",
        ]
        .map(PathBuf::from)
    );
    assert_eq!(found.daemon_json, Some("/etc/docker/daemon.json".into()));
}

/// Nothing of the machine's is read where that is not wanted; a file that is named replaces windlass's own.
#[test]
fn the_machines_own_configuration_can_be_kept_out() {
    let xdg = Environment {
        xdg_config_home: Some("/config".into()),
        ..environment()
    };
    let found = places(Some(Path::new("/x/my.toml")), &xdg);
    assert_eq!(found.windlass, WindlassFiles::Only("/x/my.toml".into()));
    assert_eq!(
        found.certs_dirs,
        [
            "/config/windlass/certs.d",
            "/config/docker/certs.d",
            "/config/containers/certs.d",
        ]
        .map(PathBuf::from)
    );
    assert_eq!(found.daemon_json, None);
}

#[test]
fn certificates_that_the_environment_names_must_be_there() {
    for environment in [
        Environment {
            ssl_cert_file: Some("/nowhere/ca.pem".into()),
            ..environment()
        },
        Environment {
            ssl_cert_dirs: vec!["/nowhere".into()],
            ..environment()
        },
    ] {
        let error = Settings::load(None, &[], &environment).unwrap_err();
        assert!(matches!(error, Error::Certificates { .. }), "{error}");
    }
}

/// What the command line says is added.
#[test]
fn insecure_registries_add_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("windlass.toml");
    fs::write(&file, "insecure-registries = [\"a.test\"]\n").unwrap();
    let settings = Settings::load(Some(&file), &["b.test".to_owned()], &environment()).unwrap();
    assert_eq!(settings.registry.insecure, ["a.test", "b.test"]);
}
