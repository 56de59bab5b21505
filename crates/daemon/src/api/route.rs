//! Which question is put.

use http::Method;

/// A question, by method and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Whether anybody is there.
    Ping,
    /// The versions.
    Version,
    /// The daemon and its machine.
    Info,
    /// What takes up the space.
    DiskUsage,
    /// Whether a registry takes a name and a password.
    Auth,
    /// What happens.
    Events,
    /// What happens, in numbers.
    Metrics,
    /// The images.
    Images,
    /// Pull or import.
    Create,
    /// Everything about an image.
    Inspect(String),
    /// How an image was made.
    History(String),
    /// One more name.
    Tag(String),
    /// To its registry.
    Push(String),
    /// No more.
    Remove(String),
    /// No more of those that nobody needs.
    Prune,
    /// In the registry's catalogue.
    Search,
    /// Into an archive: the one named in the path, or those in the query.
    Save(Option<String>),
    /// Out of an archive.
    Load,
    /// What a name stands for in its registry.
    Distribution(String),
    /// What only a daemon that runs containers has.
    Unsupported(Unsupported),
    /// Nothing there is.
    Nothing,
}

/// What is asked of a daemon that runs containers. There is none of it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsupported {
    /// All containers.
    Containers,
    /// All networks.
    Networks,
    /// All volumes.
    Volumes,
    /// All plugins.
    Plugins,
    /// No more of them, by the word in the path.
    Prune(&'static str),
    /// One of them: its kind and its name.
    Single(ObjectKind, String),
    /// To make one, run something or build something.
    Run,
    /// Anything about a swarm.
    Swarm,
}

/// A kind of what is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Container,
    Network,
    Volume,
    Plugin,
}

/// The kinds that have a list and a `prune`, by their word in paths.
const PRUNED: [&str; 4] = ["containers", "networks", "volumes", "build"];
const SWARM: [&str; 6] = ["swarm", "services", "nodes", "tasks", "secrets", "configs"];

impl Route {
    /// Finds out what is asked; `path` is decoded and has no version.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let is_get = matches!(*method, Method::GET | Method::HEAD);
        let is_post = *method == Method::POST;
        match path.trim_start_matches('/') {
            "_ping" if is_get => Self::Ping,
            "version" if is_get => Self::Version,
            "info" if is_get => Self::Info,
            "system/df" if is_get => Self::DiskUsage,
            "auth" if is_post => Self::Auth,
            "events" if is_get => Self::Events,
            "metrics" if is_get => Self::Metrics,
            "images/json" if is_get => Self::Images,
            "images/search" if is_get => Self::Search,
            "images/get" if is_get => Self::Save(None),
            "images/create" if is_post => Self::Create,
            "images/load" if is_post => Self::Load,
            "images/prune" if is_post => Self::Prune,
            path => Self::of_name(method, path),
        }
    }

    /// Names of images have slashes in them: what counts is how the path begins and how it ends.
    fn of_name(method: &Method, path: &str) -> Self {
        if let Some(rest) = path.strip_prefix("distribution/")
            && let Some(name) = rest.strip_suffix("/json")
            && *method == Method::GET
        {
            return Self::Distribution(name.to_owned());
        }
        let Some(rest) = path.strip_prefix("images/") else {
            return Unsupported::of(method, path).map_or(Self::Nothing, Self::Unsupported);
        };
        if *method == Method::DELETE && !rest.is_empty() {
            return Self::Remove(rest.to_owned());
        }
        match (method, rest.rsplit_once('/')) {
            (&Method::GET | &Method::HEAD, Some((name, "json"))) => Self::Inspect(name.to_owned()),
            (&Method::GET, Some((name, "history"))) => Self::History(name.to_owned()),
            (&Method::GET, Some((name, "get"))) => Self::Save(Some(name.to_owned())),
            (&Method::POST, Some((name, "tag"))) => Self::Tag(name.to_owned()),
            (&Method::POST, Some((name, "push"))) => Self::Push(name.to_owned()),
            _ => Self::Nothing,
        }
    }
}

impl Unsupported {
    fn of(method: &Method, path: &str) -> Option<Self> {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        if SWARM.contains(&first) {
            return Some(Self::Swarm);
        }
        let is_get = matches!(*method, Method::GET | Method::HEAD);
        let list = match (path, is_get) {
            ("containers/json", true) => Some(Self::Containers),
            ("networks", true) => Some(Self::Networks),
            ("volumes", true) => Some(Self::Volumes),
            ("plugins", true) => Some(Self::Plugins),
            _ => None,
        };
        if list.is_some() {
            return list;
        }
        if let Some(what) = PRUNED.iter().find(|what| **what == first)
            && rest == "prune"
            && *method == Method::POST
        {
            return Some(Self::Prune(what));
        }
        let kind = match first {
            "containers" => ObjectKind::Container,
            "networks" => ObjectKind::Network,
            "volumes" => ObjectKind::Volume,
            "plugins" => ObjectKind::Plugin,
            "build" | "commit" | "session" | "exec" | "grpc" => return Some(Self::Run),
            _ => return None,
        };
        match rest {
            "create" | "pull" if *method == Method::POST => Some(Self::Run),
            "" => None,
            name => {
                let name = name.split('/').next().unwrap_or_default();
                Some(Self::Single(kind, name.to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_slashes() {
        let get = |path| Route::of(&Method::GET, path);
        let post = |path| Route::of(&Method::POST, path);
        let inspect = |name: &str| Route::Inspect(name.to_owned());
        assert_eq!(get("/images/alpine/json"), inspect("alpine"));
        assert_eq!(get("/images/ghcr.io/a/b:1/json"), inspect("ghcr.io/a/b:1"));
        // An image may be called as a question is.
        assert_eq!(get("/images/json/json"), inspect("json"));
        assert_eq!(get("/images/json"), Route::Images);
        assert_eq!(post("/images/r:5/a/push"), Route::Push("r:5/a".to_owned()));
        assert_eq!(post("/images/prune"), Route::Prune);
        let distribution = Route::Distribution("a/b".to_owned());
        assert_eq!(get("/distribution/a/b/json"), distribution);
        let removed = Route::of(&Method::DELETE, "/images/a/b@sha256:1");
        assert_eq!(removed, Route::Remove("a/b@sha256:1".to_owned()));
        assert_eq!(Route::of(&Method::PUT, "/images/json"), Route::Nothing);
        assert_eq!(get("/images/"), Route::Nothing);
    }

    #[test]
    fn what_runs_containers_is_elsewhere() {
        let get = |path| Route::of(&Method::GET, path);
        let post = |path| Route::of(&Method::POST, path);
        let elsewhere = Route::Unsupported;
        assert_eq!(get("/containers/json"), elsewhere(Unsupported::Containers));
        let single = Unsupported::Single(ObjectKind::Container, "x".to_owned());
        assert_eq!(get("/containers/x/json"), elsewhere(single));
        let prune = elsewhere(Unsupported::Prune("containers"));
        assert_eq!(post("/containers/prune"), prune);
        let create = elsewhere(Unsupported::Run);
        assert_eq!(post("/containers/create"), create);
        assert_eq!(post("/build"), create);
        assert_eq!(get("/nodes"), elsewhere(Unsupported::Swarm));
        assert_eq!(get("/nope"), Route::Nothing);
    }
}
