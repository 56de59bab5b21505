//! The routes: which handler serves a request.

use http::Method;

/// A route, by method and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `GET /_ping`
    Ping,
    /// `GET /version`
    Version,
    /// `GET /info`
    Info,
    /// `GET /system/df`
    DiskUsage,
    /// `POST /auth`
    Auth,
    /// `GET /events`
    Events,
    /// `GET /metrics`
    Metrics,
    /// `GET /images/json`
    Images,
    /// `POST /images/create`: a pull or an import.
    Create,
    /// `GET /images/{name}/json`
    Inspect(String),
    /// `GET /images/{name}/history`
    History(String),
    /// `POST /images/{name}/tag`
    Tag(String),
    /// `POST /images/{name}/push`
    Push(String),
    /// `DELETE /images/{name}`
    Remove(String),
    /// `POST /images/prune`
    Prune,
    /// `GET /images/search`
    Search,
    /// `GET /images/{name}/get`, or `GET /images/get` with names in the query.
    Save(Option<String>),
    /// `POST /images/load`
    Load,
    /// `GET /distribution/{name}/json`
    Distribution(String),
    /// A request that only a daemon with containers can serve.
    Unsupported(Unsupported),
    /// Any other request.
    NotFound,
}

/// A request that only a daemon with containers can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsupported {
    /// The list of containers.
    Containers,
    /// The list of networks.
    Networks,
    /// The list of volumes.
    Volumes,
    /// The list of plugins.
    Plugins,
    /// Pruning the objects that the path names.
    Prune(&'static str),
    /// One object: its kind and its name.
    Object(ObjectKind, String),
    /// Creating an object, running something or building something.
    Run,
    /// Any request about a swarm.
    Swarm,
}

/// A kind of objects that this daemon does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Container,
    Network,
    Volume,
    Plugin,
}

/// The first components of paths that have a `prune`.
const PRUNABLE: [&str; 4] = ["containers", "networks", "volumes", "build"];
const SWARM: [&str; 6] = ["swarm", "services", "nodes", "tasks", "secrets", "configs"];

impl Route {
    /// Returns the route of a request. `path` is decoded and has no version.
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

    /// Image names contain slashes, so the beginning and the end of the path decide.
    fn of_name(method: &Method, path: &str) -> Self {
        if let Some(rest) = path.strip_prefix("distribution/")
            && let Some(name) = rest.strip_suffix("/json")
            && *method == Method::GET
        {
            return Self::Distribution(name.to_owned());
        }
        let Some(rest) = path.strip_prefix("images/") else {
            return Unsupported::of(method, path).map_or(Self::NotFound, Self::Unsupported);
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
            _ => Self::NotFound,
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
        if let Some(what) = PRUNABLE.iter().find(|what| **what == first)
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
                Some(Self::Object(kind, name.to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names_may_contain_slashes() {
        let get = |path| Route::of(&Method::GET, path);
        let post = |path| Route::of(&Method::POST, path);
        let inspect = |name: &str| Route::Inspect(name.to_owned());
        assert_eq!(get("/images/alpine/json"), inspect("alpine"));
        assert_eq!(get("/images/ghcr.io/a/b:1/json"), inspect("ghcr.io/a/b:1"));
        // An image may have the name of a route.
        assert_eq!(get("/images/json/json"), inspect("json"));
        assert_eq!(get("/images/json"), Route::Images);
        assert_eq!(post("/images/r:5/a/push"), Route::Push("r:5/a".to_owned()));
        assert_eq!(post("/images/prune"), Route::Prune);
        let distribution = Route::Distribution("a/b".to_owned());
        assert_eq!(get("/distribution/a/b/json"), distribution);
        let removed = Route::of(&Method::DELETE, "/images/a/b@sha256:1");
        assert_eq!(removed, Route::Remove("a/b@sha256:1".to_owned()));
        assert_eq!(Route::of(&Method::PUT, "/images/json"), Route::NotFound);
        assert_eq!(get("/images/"), Route::NotFound);
    }

    #[test]
    fn requests_about_containers_are_unsupported() {
        let get = |path| Route::of(&Method::GET, path);
        let post = |path| Route::of(&Method::POST, path);
        let unsupported = Route::Unsupported;
        assert_eq!(
            get("/containers/json"),
            unsupported(Unsupported::Containers)
        );
        let single = Unsupported::Object(ObjectKind::Container, "x".to_owned());
        assert_eq!(get("/containers/x/json"), unsupported(single));
        let prune = unsupported(Unsupported::Prune("containers"));
        assert_eq!(post("/containers/prune"), prune);
        let create = unsupported(Unsupported::Run);
        assert_eq!(post("/containers/create"), create);
        assert_eq!(post("/build"), create);
        assert_eq!(get("/nodes"), unsupported(Unsupported::Swarm));
        assert_eq!(get("/nope"), Route::NotFound);
    }
}
