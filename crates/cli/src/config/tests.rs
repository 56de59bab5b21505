//! The directory of the store, and the paths of configuration files.

use super::*;

fn environment() -> Environment {
    Environment {
        home: Some("/home/me".into()),
        ignores_system_config: true,
        ..Environment::default()
    }
}

fn settings() -> CommandSettings {
    CommandSettings {
        configuration: Configuration::default(),
        pull: PullerConfig::default(),
    }
}

#[test]
fn the_default_root_depends_on_the_user() {
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
    let given = settings().root(Some(Path::new("x")), &superuser);
    assert_eq!(given.unwrap(), Path::new("x"));
    assert!(matches!(
        settings().root(None, &Environment::default()),
        Err(Error::NoRoot)
    ));
}

/// The command line overrides the file, and the file overrides the default.
#[test]
fn the_command_line_overrides_the_configured_root() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("windlass.toml");
    fs::write(&file, "root = \"images\"\n").unwrap();
    let settings = CommandSettings::load(Some(&file), &[], &environment()).unwrap();
    let root = |given| settings.root(given, &environment()).unwrap();
    assert_eq!(root(None), directory.path().join("images"));
    assert_eq!(root(Some(Path::new("x"))), Path::new("x"));
}

/// The files of the user override those of the system.
#[test]
fn the_files_of_the_user_override_those_of_the_system() {
    let user = Environment {
        ignores_system_config: false,
        ..environment()
    };
    let found = config_paths(None, &user);
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

/// `WINDLASS_NO_SYSTEM_CONFIG` leaves out the files of the system, and `--config` replaces both `windlass.toml` files.
#[test]
fn the_system_configuration_can_be_left_out() {
    let xdg = Environment {
        xdg_config_home: Some("/config".into()),
        ..environment()
    };
    let found = config_paths(Some(Path::new("/x/my.toml")), &xdg);
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
fn certificates_of_the_environment_must_exist() {
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
        let error = CommandSettings::load(None, &[], &environment).unwrap_err();
        assert!(matches!(error, Error::Certificates { .. }), "{error}");
    }
}

/// The command line adds to the list of the file.
#[test]
fn insecure_registries_add_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("windlass.toml");
    fs::write(&file, "insecure-registries = [\"a.test\"]\n").unwrap();
    let settings =
        CommandSettings::load(Some(&file), &["b.test".to_owned()], &environment()).unwrap();
    assert_eq!(settings.pull.registry.insecure, ["a.test", "b.test"]);
}
