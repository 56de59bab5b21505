//! The requests to both daemons, in order: each depends on the state that those before it left.

use serde_json::{Value, json};
use windlass_testing::real::{PASSWORD, SocketRequest, USER};

use super::compared_images::ComparedImages;
use super::normalize::Body;

/// A request, its name, and the format of its response.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) request: SocketRequest,
    pub(super) body: Body,
}

/// Collects requests.
struct Script(Vec<Step>);

/// The API version that both support.
const VERSION: &str = "/v1.41";

impl Script {
    fn request(&mut self, name: &str, method: &str, path: &str) -> &mut Step {
        self.0.push(Step {
            name: name.to_owned(),
            request: SocketRequest::new(method, &format!("{VERSION}{path}")),
            body: Body::Document,
        });
        self.0.last_mut().expect("one was pushed")
    }

    fn get(&mut self, name: &str, path: &str) -> &mut Step {
        self.request(name, "GET", path)
    }

    fn post(&mut self, name: &str, path: &str) -> &mut Step {
        self.request(name, "POST", path)
    }

    fn delete(&mut self, name: &str, path: &str) -> &mut Step {
        self.request(name, "DELETE", path)
    }
}

impl Step {
    fn reads(&mut self, body: Body) -> &mut Self {
        self.body = body;
        self
    }

    /// Uses another version prefix in the path, or none.
    fn at(&mut self, version: &str) -> &mut Self {
        let path = self.request.path.strip_prefix(VERSION);
        self.request.path = format!("{version}{}", path.expect("paths begin with the version"));
        self
    }

    fn sends(&mut self, body: impl Into<Vec<u8>>, content_type: &str) -> &mut Self {
        let request = self.request.clone().body(body);
        self.request = request.header("Content-Type", content_type);
        self
    }

    fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.request = self.request.clone().header(name, value);
        self
    }
}

/// Returns all requests.
pub(super) fn steps(images: &ComparedImages) -> Vec<Step> {
    let mut script = Script(Vec::new());
    greetings(&mut script);
    nothing_yet(&mut script);
    pulls(&mut script, images);
    lists(&mut script, images);
    looks(&mut script, images);
    names(&mut script, images);
    registries(&mut script, images);
    logins(&mut script, images);
    archives(&mut script, images);
    removals(&mut script, images);
    elsewhere(&mut script);
    script.0
}

fn greetings(script: &mut Script) {
    script.get("ping", "/_ping").at("").reads(Body::Text);
    script
        .request("ping, head", "HEAD", "/_ping")
        .at("")
        .reads(Body::Text);
    script.get("ping, versioned", "/_ping").reads(Body::Text);
    script.get("version", "/version");
    script.get("info", "/info");
    script.get("unknown path", "/nope");
    script.get("unknown path, unversioned", "/nope").at("");
    script.request("wrong method", "PUT", "/images/json");
    script.get("version too new", "/images/json").at("/v1.99");
    script.get("version too old", "/images/json").at("/v1.11");
    script.get("no version", "/images/json").at("/vx");
}

fn nothing_yet(script: &mut Script) {
    script.get("images, none", "/images/json");
    script.get("disk usage, none", "/system/df");
    script.post("prune, nothing", "/images/prune");
}

fn pulls(script: &mut Script, images: &ComparedImages) {
    let mut pull = |name: &str, image: &str, rest: &str| {
        let path = format!("/images/create?fromImage={image}{rest}");
        script.post(name, &path).reads(Body::Progress);
    };
    let (full, bare, both) = (
        images.name("full"),
        images.name("bare"),
        images.name("both"),
    );
    pull("pull", &full, "&tag=1");
    pull("pull, again", &full, "&tag=1");
    pull("pull, tag in the name", &format!("{bare}:1"), "");
    pull("pull, platform", &both, "&tag=1&platform=linux/arm64/v8");
    pull("pull, index", &both, "&tag=1");
    let digest = format!("&tag={}", images.full.digest);
    pull("pull, digest", &full, &digest);
    let digest = format!("&tag={}", images.both.digest);
    pull("pull, digest of another platform's", &both, &digest);
    pull("pull, all tags", &images.name("many"), "");
    pull("pull, other platform", &both, "&tag=1&platform=linux/s390x");
    pull(
        "pull, platform of a lone image",
        &full,
        "&tag=1&platform=linux/s390x",
    );
    pull("pull, no platform", &both, "&tag=1&platform=a/b/c/d");
    pull("pull, missing tag", &full, "&tag=nope");
    pull("pull, missing repository", &images.name("nope"), "&tag=1");
    pull(
        "pull, missing repository, all tags",
        &images.name("nope"),
        "",
    );
    let unknown = format!("&tag=sha256:{}", "0".repeat(64));
    pull("pull, missing digest", &full, &unknown);
    pull("pull, bad name", "BAD", "&tag=1");
    pull("pull, bad tag", &full, "&tag=not%20a%20tag");
    pull("pull, bad digest", &full, "&tag=sha256:1");
    pull("pull, bad name and host", "/x", "&tag=1");
    pull("pull, scratch", "scratch", "&tag=latest");
    pull("pull, nobody listens", "127.0.0.1:1/x", "&tag=1");
    script.post("create, nothing", "/images/create");
}

fn filters(filters: &Value) -> String {
    let text = filters.to_string();
    let text = text
        .replace('%', "%25")
        .replace('"', "%22")
        .replace(' ', "%20");
    format!("filters={}", text.replace('{', "%7B").replace('}', "%7D"))
}

fn lists(script: &mut Script, images: &ComparedImages) {
    script.get("images", "/images/json");
    script.get("images, 1.24", "/images/json").at("/v1.24");
    script.get("images, all", "/images/json?all=1");
    script.get("images, digests", "/images/json?digests=1");
    script.get("disk usage", "/system/df");
    let full = images.name("full");
    let some = [
        ("dangling", json!({ "dangling": { "true": true } })),
        ("not dangling", json!({ "dangling": ["false"] })),
        ("odd dangling", json!({ "dangling": ["perhaps"] })),
        (
            "reference",
            json!({ "reference": { "*/fleet/full": true } }),
        ),
        (
            "references",
            json!({ "reference": [&full, format!("{full}:*")] }),
        ),
        ("bad reference", json!({ "reference": ["["] })),
        ("label", json!({ "label": ["a=1"] })),
        ("label, key", json!({ "label": ["a"] })),
        ("label, other", json!({ "label": ["a=2"] })),
        ("before", json!({ "before": [format!("{full}:1")] })),
        ("since", json!({ "since": [format!("{full}:1")] })),
        ("since, missing", json!({ "since": ["nope"] })),
        ("unknown", json!({ "colour": ["red"] })),
        ("old set", json!({ "reference": { "nope": true } })),
    ];
    for (name, value) in some {
        let path = format!("/images/json?{}", filters(&value));
        script.get(&format!("images, filter: {name}"), &path);
    }
    script.get("images, filter: no JSON", "/images/json?filters=x");
}

fn looks(script: &mut Script, images: &ComparedImages) {
    let id = images.full.config_digest.to_string();
    let by = |name: &str| format!("{}{name}", images.name("full"));
    let full = [
        ("", by(":1")),
        (", ID", id.clone()),
        (", hex", images.full.config_digest.hex()),
        (", short ID", images.full.config_digest.short()),
        (", digest", by(&format!("@{}", images.full.digest))),
    ];
    for (how, name) in full {
        script.get(&format!("inspect{how}"), &format!("/images/{name}/json"));
    }
    script
        .get("inspect, 1.24", &format!("/images/{id}/json"))
        .at("/v1.24");
    for (name, image) in [
        ("bare config", images.name("bare:1")),
        ("of an index", images.name("both:1")),
        ("missing", "nope".to_owned()),
        ("missing, host", by(":nope")),
        ("missing ID", format!("sha256:{}", "0".repeat(64))),
        ("missing short ID", "0123456789ab".to_owned()),
        ("bad name", "BAD".to_owned()),
    ] {
        let path = format!("/images/{image}/json");
        script.get(&format!("inspect, {name}"), &path);
    }
    let image = |name: &str| format!("/images/{name}/history");
    script.get("history", &image(&by(":1")));
    script.get("history, bare config", &image(&images.name("bare:1")));
    script.get("history, missing", &image("nope"));
    let containers = "/containers/nope/json";
    script.get("containers, missing", containers);
}

fn names(script: &mut Script, images: &ComparedImages) {
    let full = images.name("full:1");
    let mut tag = |name: &str, image: &str, query: &str| {
        let path = format!("/images/{image}/tag?{query}");
        script.post(&format!("tag{name}"), &path);
    };
    tag("", &full, "repo=spare&tag=1");
    tag(", again", &full, "repo=spare&tag=1");
    tag(", moved", &images.name("bare:1"), "repo=spare&tag=1");
    tag(", latest", &full, "repo=spare");
    tag(", tag in the name", &full, "repo=spare:two");
    tag(", missing", "nope", "repo=spare&tag=3");
    tag(", bad name", &full, "repo=SPARE&tag=3");
    tag(", bad tag", &full, "repo=spare&tag=not%20a%20tag");
    tag(", no name", &full, "");
    let digest = format!("repo=spare@sha256:{}", "0".repeat(64));
    tag(", digest", &full, &digest);
    script.get("images, tagged", "/images/json");
    script.get("inspect, tagged", "/images/spare/json");
    script.get("history, tagged", "/images/spare/history");
}

fn registries(script: &mut Script, images: &ComparedImages) {
    let host = images.registry.address();
    let full = images.name("full:1");
    script.get("distribution", &format!("/distribution/{full}/json"));
    let both = images.name("both:1");
    script.get("distribution, index", &format!("/distribution/{both}/json"));
    let nope = images.name("nope:1");
    script.get(
        "distribution, missing",
        &format!("/distribution/{nope}/json"),
    );
    script.get("distribution, bad name", "/distribution/BAD/json");
    script.get(
        "search, where there is none",
        &format!("/images/search?term={host}/x"),
    );
    script.get(
        "search, bad filter",
        "/images/search?term=x&filters=%7B%22a%22%3A%5B%22b%22%5D%7D",
    );
    script.post(
        "tag, to push",
        &format!("/images/{full}/tag?repo={host}/pushed/full&tag=1"),
    );
    // Clients without credentials send an empty object.
    let mut push = |name: &str, image: &str| {
        let push = script.post(name, &format!("/images/{image}"));
        push.reads(Body::Progress).header("X-Registry-Auth", "e30=");
    };
    push("push", &format!("{host}/pushed/full/push?tag=1"));
    push("push, again", &format!("{host}/pushed/full/push?tag=1"));
    push("push, all tags", &format!("{host}/pushed/full/push"));
    push(
        "push, missing tag",
        &format!("{host}/pushed/full/push?tag=no"),
    );
    push("push, missing", &format!("{host}/pushed/nope/push?tag=1"));
    push(
        "push, missing, all tags",
        &format!("{host}/pushed/nope/push"),
    );
    push("push, bad name", "BAD/push?tag=1");
    push("push, nobody listens", "127.0.0.1:1/x/push?tag=1");
}

fn logins(script: &mut Script, images: &ComparedImages) {
    script
        .post("login, no JSON", "/auth")
        .sends("{", "application/json");
    for (kind, registry) in ["password", "token"].into_iter().zip(&images.setup) {
        let host = registry.address();
        let mut log_in = |name: &str, password: &str| {
            let server = host.to_string();
            let login = json!({ "username": USER, "password": password, "serveraddress": server });
            let post = script.post(&format!("login, {kind}{name}"), "/auth");
            post.sends(login.to_string(), "application/json");
        };
        log_in("", PASSWORD);
        log_in(", wrong", "wrong");
        let pull = format!("/images/create?fromImage={host}/a&tag=1");
        script.post(&format!("pull, {kind} is wanted"), &pull);
        let pull = script.post(&format!("pull, {kind} is wrong"), &pull);
        // {"username":"bosun","password":"wrong"}
        let wrong = "eyJ1c2VybmFtZSI6ImJvc3VuIiwicGFzc3dvcmQiOiJ3cm9uZyJ9";
        pull.header("X-Registry-Auth", wrong);
        let look = format!("/distribution/{host}/a:1/json");
        script.get(&format!("distribution, {kind} is wanted"), &look);
        let full = images.name("full:1");
        let tag = format!("/images/{full}/tag?repo={host}/a&tag=1");
        script.post(&format!("tag, to where a {kind} is wanted"), &tag);
        let push = format!("/images/{host}/a/push?tag=1");
        let push = script.post(&format!("push, {kind} is wanted"), &push);
        push.reads(Body::Progress).header("X-Registry-Auth", "e30=");
        let remove = format!("/images/{host}/a:1");
        script.delete(&format!("remove, where a {kind} is wanted"), &remove);
    }
}

fn archives(script: &mut Script, images: &ComparedImages) {
    let full = images.name("full:1");
    for (name, path) in [
        ("save", format!("/images/get?names={full}")),
        ("save, one", format!("/images/{full}/get")),
        ("save, missing", "/images/get?names=nope".to_owned()),
        ("save, bad name", "/images/get?names=BAD".to_owned()),
    ] {
        script.get(name, &path).reads(Body::Archive);
    }
    let mut load = |name: &str, path: &str, archive: Vec<u8>| {
        let load = script.post(name, path).reads(Body::Progress);
        load.sends(archive, "application/x-tar");
    };
    load("load", "/images/load?quiet=1", images.archive());
    load("load, again", "/images/load?quiet=1", images.archive());
    load("load, loud", "/images/load", images.archive());
    load("load, garbage", "/images/load?quiet=1", b"garbage".to_vec());
    load("load, nothing", "/images/load?quiet=1", Vec::new());
    script.get("inspect, loaded", "/images/loaded:1/json");
    let root = || {
        windlass_testing::LayerBuilder::new()
            .dir("etc")
            .file("etc/new", "new\n")
            .tar()
    };
    let mut import = |name: &str, query: &str, body: Vec<u8>| {
        let path = format!("/images/create?fromSrc=-&{query}");
        let import = script.post(name, &path).reads(Body::Progress);
        import.sends(body, "text/plain");
    };
    import(
        "import, garbage",
        "repo=imported&tag=2",
        b"garbage".to_vec(),
    );
    import("import, bad name", "repo=BAD&tag=2", root());
    import(
        "import, bad change",
        "repo=imported&changes=FLY%20high",
        root(),
    );
}

fn removals(script: &mut Script, images: &ComparedImages) {
    let id = images.full.config_digest.to_string();
    let bare = images.bare.config_digest.to_string();
    let mut remove = |name: &str, image: &str| {
        script.delete(name, &format!("/images/{image}"));
    };
    remove("remove, missing", "nope");
    remove("remove, bad name", "BAD");
    remove("remove, ID with several names", &id);
    remove("remove, a tag", "spare:latest");
    remove(
        "remove, a tag by digest",
        &format!("{}@{}", images.name("both"), images.both.digest),
    );
    remove("remove, forced", &format!("{bare}?force=1"));
    script.get("images, some removed", "/images/json");
    let prune = |value: Value| format!("/images/prune?{}", filters(&value));
    script.post("prune", &prune(json!({ "dangling": ["true"] })));
    script.post("prune, bad filter", &prune(json!({ "colour": ["red"] })));
    script.post(
        "prune, odd dangling",
        &prune(json!({ "dangling": ["perhaps"] })),
    );
    script.post(
        "prune, label",
        &prune(json!({ "dangling": ["false"], "label": ["a=7"] })),
    );
    script.post("prune, all", &prune(json!({ "dangling": ["false"] })));
    script.get("images, all removed", "/images/json");
}

fn elsewhere(script: &mut Script) {
    for what in [
        "containers/json",
        "networks",
        "volumes",
        "plugins",
        "nodes",
        "swarm",
    ] {
        script.get(&format!("elsewhere: {what}"), &format!("/{what}"));
    }
    for what in [
        "containers/x/json",
        "networks/x",
        "volumes/x",
        "plugins/x/json",
    ] {
        script.get(&format!("elsewhere: {what}"), &format!("/{what}"));
    }
    for what in ["containers", "networks", "volumes", "build"] {
        script.post(
            &format!("elsewhere: {what}/prune"),
            &format!("/{what}/prune"),
        );
    }
    let create = script.post("elsewhere: containers/create", "/containers/create");
    create.sends(r#"{"Image":"nope"}"#, "application/json");
    let past = "since=1&until=2";
    script
        .get("events, none", &format!("/events?{past}"))
        .reads(Body::Events);
    script.get("events, odd time", "/events?since=x&until=2");
}
