//! What the daemon does with each parameter that the Engine API describes for its endpoints, from version 1.24 to 1.51.
//!
//! A parameter that changes the meaning of a request is honoured, or the request is refused. `docs/daemon.md` has the same
//! table, and a test compares them. Parameters that the API does not describe are ignored, as in Docker.

use super::route::Route;
use crate::request::QueryParameters;
use crate::response::ApiError;

/// What the daemon does with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It has the effect that the API describes, also in versions before the one that introduced it.
    Honoured,
    /// The same, but a request with two different values is refused, where the API allows or Docker ignores the second.
    HonouredOnce,
    /// It has no effect, for this reason.
    NoEffect(&'static str),
}

/// A parameter of an endpoint, the minor version of the API 1 that introduced it (24 for older ones), and its treatment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter(
    pub(super) &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the documentation"))] pub(super) u16,
    pub(super) Treatment,
);

use Treatment::{Honoured, HonouredOnce, NoEffect};

const NO_PARENTS: &str = "windlass stores no parents of images";

/// The endpoints that have parameters.
pub(super) const ENDPOINTS: &[(&str, &[Parameter])] = &[
    (
        IMAGES,
        &[
            Parameter("all", 24, NoEffect(NO_PARENTS)),
            Parameter(
                "digests",
                24,
                NoEffect("the digests are always in the list"),
            ),
            Parameter("filter", 24, Honoured),
            Parameter("filters", 24, Honoured),
            Parameter("manifests", 47, Honoured),
            Parameter("shared-size", 42, Honoured),
        ],
    ),
    (
        CREATE,
        &[
            Parameter("changes", 24, Honoured),
            Parameter("fromImage", 24, Honoured),
            Parameter("fromSrc", 24, Honoured),
            Parameter("message", 24, Honoured),
            Parameter("platform", 32, HonouredOnce),
            Parameter("repo", 24, Honoured),
            Parameter("tag", 24, Honoured),
        ],
    ),
    (
        INSPECT,
        &[
            Parameter("manifests", 48, Honoured),
            Parameter("platform", 49, HonouredOnce),
        ],
    ),
    (HISTORY, &[Parameter("platform", 48, HonouredOnce)]),
    (
        TAG,
        &[
            Parameter("repo", 24, Honoured),
            Parameter("tag", 24, Honoured),
        ],
    ),
    (
        PUSH,
        &[
            Parameter("platform", 46, HonouredOnce),
            Parameter("tag", 24, Honoured),
        ],
    ),
    (
        REMOVE,
        &[
            Parameter("force", 24, Honoured),
            Parameter("noprune", 24, NoEffect(NO_PARENTS)),
            Parameter("platforms", 50, HonouredOnce),
        ],
    ),
    (PRUNE, &[Parameter("filters", 25, Honoured)]),
    (
        SEARCH,
        &[
            Parameter("filters", 24, Honoured),
            Parameter("limit", 24, Honoured),
            Parameter("term", 24, Honoured),
        ],
    ),
    (
        SAVE,
        &[
            Parameter("names", 24, Honoured),
            Parameter("platform", 48, HonouredOnce),
        ],
    ),
    (
        LOAD,
        &[
            Parameter("platform", 48, HonouredOnce),
            Parameter("quiet", 24, NoEffect("a load reports no progress")),
        ],
    ),
    (
        EVENTS,
        &[
            Parameter("filters", 24, Honoured),
            Parameter("since", 24, Honoured),
            Parameter("until", 24, Honoured),
        ],
    ),
    (DISK_USAGE, &[Parameter("type", 42, Honoured)]),
];

const IMAGES: &str = "GET /images/json";
const CREATE: &str = "POST /images/create";
const INSPECT: &str = "GET /images/{name}/json";
const HISTORY: &str = "GET /images/{name}/history";
const TAG: &str = "POST /images/{name}/tag";
const PUSH: &str = "POST /images/{name}/push";
const REMOVE: &str = "DELETE /images/{name}";
const PRUNE: &str = "POST /images/prune";
const SEARCH: &str = "GET /images/search";
const SAVE: &str = "GET /images/get, GET /images/{name}/get";
const LOAD: &str = "POST /images/load";
const EVENTS: &str = "GET /events";
const DISK_USAGE: &str = "GET /system/df";

/// Refuses a request with several values of a parameter that may have one.
pub(super) fn check(route: &Route, query: &QueryParameters) -> Result<(), ApiError> {
    for Parameter(name, _, treatment) in parameters(route) {
        let mut values = query.all(name);
        let first = values.next();
        if *treatment == HonouredOnce && values.any(|value| Some(value) != first) {
            return Err(ApiError::bad_request(format!(
                "several values of `{name}` are not supported: make a request for each"
            )));
        }
    }
    Ok(())
}

/// Returns the parameters of the endpoint of `route`.
fn parameters(route: &Route) -> &'static [Parameter] {
    let endpoint = match route {
        Route::Images => IMAGES,
        Route::Create => CREATE,
        Route::Inspect(_) => INSPECT,
        Route::History(_) => HISTORY,
        Route::Tag(_) => TAG,
        Route::Push(_) => PUSH,
        Route::Remove(_) => REMOVE,
        Route::Prune => PRUNE,
        Route::Search => SEARCH,
        Route::Save(_) => SAVE,
        Route::Load => LOAD,
        Route::Events => EVENTS,
        Route::DiskUsage => DISK_USAGE,
        Route::Ping
        | Route::Version
        | Route::Info
        | Route::Auth
        | Route::Metrics
        | Route::Distribution(_)
        | Route::Unsupported(_)
        | Route::NotFound => return &[],
    };
    let found = ENDPOINTS.iter().find(|(name, _)| *name == endpoint);
    found.map_or(&[], |(_, parameters)| parameters)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn route(endpoint: &str) -> Route {
        let (first, _) = endpoint.split_once(", ").unwrap_or((endpoint, ""));
        let (method, path) = first.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        Route::of(&method, &path.replace("{name}", "app"))
    }

    #[test]
    fn each_endpoint_has_its_parameters() {
        for (endpoint, expected) in ENDPOINTS {
            let found = parameters(&route(endpoint));
            let names = |all: &[Parameter]| all.iter().map(|it| it.0).collect::<Vec<_>>();
            assert_eq!(names(found), names(expected), "{endpoint}");
            assert!(
                found.is_sorted_by_key(|Parameter(name, ..)| name),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn several_values_are_refused_where_one_counts() {
        for (endpoint, parameters) in ENDPOINTS {
            for Parameter(name, _, treatment) in *parameters {
                let query = QueryParameters::parse(&format!("{name}=a&{name}=b"));
                let refused = check(&route(endpoint), &query).is_err();
                assert_eq!(refused, *treatment == HonouredOnce, "{endpoint}: {name}");
                let query = QueryParameters::parse(&format!("{name}=a&{name}=a&{name}="));
                check(&route(endpoint), &query).unwrap();
            }
        }
    }

    /// `docs/daemon.md` has the table.
    #[test]
    fn the_table_is_documented() {
        let mut expected = Vec::new();
        for (endpoint, parameters) in ENDPOINTS {
            for Parameter(name, minor, treatment) in *parameters {
                let what = match treatment {
                    Honoured => "honoured".to_owned(),
                    HonouredOnce => "honoured; several values are refused".to_owned(),
                    NoEffect(reason) => format!("no effect: {reason}"),
                };
                let endpoint = endpoint.replace(", ", "`, `");
                expected.push(format!("| `{endpoint}` | `{name}` | 1.{minor} | {what} |"));
            }
        }
        let expected = expected.join("\n");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/daemon.md");
        let document = std::fs::read_to_string(path).unwrap();
        assert!(
            document.contains(&expected),
            "docs/daemon.md lacks:\n{expected}"
        );
    }
}
