use std::fs;

use tempfile::TempDir;
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use super::*;
use crate::engine::Engine;

/// A user with `HOME` and no other variable.
struct User(TempDir);

impl User {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    /// Writes a file below the home directory.
    fn write(&self, name: &str, content: &str) {
        let path = self.home().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn variables(&self) -> Variables<impl Fn(&str) -> Option<OsString>> {
        let home = self.home();
        Variables(move |name: &str| (name == "HOME").then(|| home.clone().into_os_string()))
    }

    fn builder(&self) -> EngineBuilder {
        Engine::builder(self.0.path().join("store"))
    }
}

fn image() -> ImageBuilder {
    ImageBuilder::new().layer(LayerBuilder::of_size_seeded(1000, 1))
}

#[cfg(feature = "user-config")]
#[tokio::test]
async fn a_mirror_in_the_configuration_of_the_user_is_used() {
    let mirror = Registry::start();
    let pushed = mirror.push(image(), "app:1");
    let user = User::new();
    let lines = format!(
        "[[registry.\"registry.invalid\".mirror]]\nurl = \"{}\"\n",
        mirror.url()
    );
    user.write(".config/windlass/windlass.toml", &lines);

    let builder = user.builder();
    let builder = builder.with_config_files(&user.variables(), &user.0.path().join("etc"));
    let engine = builder.unwrap().open().unwrap();

    let pulled = engine.pull("registry.invalid/app:1").await.unwrap();
    assert_eq!(pulled.reference.familiar(), "registry.invalid/app:1");
    assert_eq!(*pulled.image_id.digest(), pushed.config_digest);
}

#[cfg(feature = "user-config")]
#[test]
fn an_invalid_file_of_the_user_is_an_error() {
    let user = User::new();
    user.write("config/windlass/windlass.toml", "no-such-key = 1\n");
    let config = user.home().join("config");
    let variables = Variables(|name: &str| {
        (name == "XDG_CONFIG_HOME").then(|| config.clone().into_os_string())
    });
    let builder = user.builder();
    let error = builder.with_config_files(&variables, &user.0.path().join("etc"));
    let text = error.unwrap_err().to_string();
    let text = text.replace(&*user.home().to_string_lossy(), "HOME");
    assert_eq!(text, "HOME/config/windlass/windlass.toml:1:1: no-such-key");
}

#[cfg(feature = "user-credentials")]
#[tokio::test]
async fn a_login_of_docker_is_used() {
    let registry = Registry::builder().basic("user", "password").start();
    let pushed = registry.push(image(), "app:1");
    let user = User::new();
    // `user:password`
    let login = format!(
        r#"{{"auths": {{"{}": {{"auth": "dXNlcjpwYXNzd29yZA=="}}}}}}"#,
        registry.host()
    );
    user.write(".docker/config.json", &login);
    let name = registry.name("app:1");

    let engine = user.builder().open().unwrap();
    let error = engine.pull(&*name).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("app:1 at {}: authentication required", registry.url())
    );
    drop(engine);

    let builder = user.builder().with_credential_files(&user.variables());
    let pulled = builder.open().unwrap().pull(&*name).await.unwrap();
    assert_eq!(*pulled.image_id.digest(), pushed.config_digest);
}

#[test]
fn empty_and_relative_variables_are_ignored() {
    let variables = Variables(|name: &str| match name {
        "EMPTY" => Some(OsString::new()),
        "RELATIVE" => Some("home/me".into()),
        "HOME" => Some("/home/me".into()),
        _ => None,
    });
    assert_eq!(variables.get("EMPTY"), None);
    assert_eq!(variables.get("RELATIVE"), Some("home/me".into()));
    assert_eq!(variables.directory("RELATIVE"), None);
    assert_eq!(variables.directory("HOME"), Some("/home/me".into()));
    assert_eq!(variables.directory("MISSING"), None);
}
