//! What a command works with: where the store is, how registries are reached, who the user is to them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use windlass::{DockerConfig, RegistryConfig};

use crate::environment::Environment;
use crate::error::Error;

/// The store's place for root, unless told otherwise.
const SYSTEM_ROOT: &str = "/var/lib/windlass";

/// Returns the store's place: the one asked for, or the default of this user.
pub(crate) fn root(asked: Option<PathBuf>, environment: &Environment) -> Result<PathBuf, Error> {
    if let Some(root) = asked {
        return Ok(root);
    }
    if environment.is_root {
        return Ok(SYSTEM_ROOT.into());
    }
    let data = environment.xdg_data_home.clone();
    let data = data.or_else(|| {
        environment
            .home
            .as_ref()
            .map(|home| home.join(".local/share"))
    });
    data.map(|data| data.join("windlass")).ok_or(Error::NoRoot)
}

/// Returns how registries are reached.
pub(crate) fn registry(
    insecure: Vec<String>,
    environment: &Environment,
) -> Result<RegistryConfig, Error> {
    let mut config = RegistryConfig {
        insecure,
        proxies: environment.proxies.clone(),
        ..RegistryConfig::default()
    };
    if let Some(path) = &environment.ssl_cert_file {
        let roots = fs::read(path).map_err(|source| Error::Certificates {
            path: path.clone(),
            source,
        })?;
        config.extra_roots.push(roots);
    }
    Ok(config)
}

/// Returns what Docker's `config.json` holds. Nobody is logged in where there is none.
///
/// A file that is there and cannot be used is an error: to go on as nobody would end in a refusal that
/// says nothing of the cause.
pub(crate) fn docker_config(environment: &Environment) -> Result<DockerConfig, Error> {
    let directory = environment.docker_config.clone();
    let directory =
        directory.or_else(|| environment.home.as_ref().map(|home| home.join(".docker")));
    let Some(path) = directory.map(|directory| directory.join("config.json")) else {
        return Ok(DockerConfig::default());
    };
    match fs::read(&path) {
        Ok(bytes) => parsed(&path, &bytes),
        Err(error) if is_absent(&error) => Ok(DockerConfig::default()),
        Err(source) => Err(Error::DockerConfigUnreadable { path, source }),
    }
}

fn parsed(path: &Path, bytes: &[u8]) -> Result<DockerConfig, Error> {
    DockerConfig::parse(bytes).map_err(|source| Error::DockerConfigBroken {
        path: path.to_owned(),
        source,
    })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            home: Some("/home/me".into()),
            ..Environment::default()
        }
    }

    #[test]
    fn the_store_is_where_the_user_keeps_data() {
        let root_of = |environment: Environment| root(None, &environment).unwrap();
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
        assert_eq!(root(Some("x".into()), &superuser).unwrap(), Path::new("x"));
        assert!(matches!(
            root(None, &Environment::default()),
            Err(Error::NoRoot)
        ));
    }

    #[test]
    fn a_missing_docker_config_is_none_and_a_broken_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let environment = Environment {
            docker_config: Some(directory.path().into()),
            ..environment()
        };
        assert!(docker_config(&environment).is_ok());
        fs::write(directory.path().join("config.json"), "{").unwrap();
        let error = docker_config(&environment).unwrap_err();
        assert!(
            matches!(error, Error::DockerConfigBroken { path, .. } if path.ends_with("config.json"))
        );
    }
}
