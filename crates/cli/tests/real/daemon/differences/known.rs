//! The known differences and their reasons. `docs/docker-differences.md` has them as a table.

use super::compare::Difference;

/// Differences with one reason.
#[derive(Debug)]
pub(super) struct Known {
    /// The names of the requests; `*` matches any text.
    requests: &'static [&'static str],
    /// The places in the response, likewise.
    places: &'static [&'static str],
    /// What differs.
    what: &'static str,
    pub(super) why: &'static str,
}

pub(super) const KNOWN: &[Known] = &[
    Known {
        requests: &["*"],
        places: &["headers.api-version"],
        what: "1.51 in place of 1.41",
        why: "windlass supports newer versions too; clients negotiate the newest common one",
    },
    Known {
        requests: &["ping*"],
        places: &["headers.builder-version"],
        what: "Present",
        why: "As in later versions; with it, `docker build` fails with one sentence",
    },
    Known {
        requests: &["version"],
        places: &["body.*"],
        what: "Versions and build details",
        why: "They are those of windlass",
    },
    Known {
        requests: &["info"],
        places: &[
            "body.BridgeNf*",
            "body.CPU*",
            "body.Cgroup*",
            "body.ContainerdCommit.*",
            "body.CpuCfs*",
            "body.DefaultRuntime",
            "body.InitBinary",
            "body.KernelMemory*",
            "body.LoggingDriver",
            "body.MemoryLimit",
            "body.OomKillDisable",
            "body.PidsLimit",
            "body.Plugins.*",
            "body.RuncCommit.*",
            "body.Runtimes.*",
            "body.SecurityOptions",
            "body.SwapLimit",
            "body.Warnings",
        ],
        what: "Empty values, and a warning",
        why: "windlass runs no containers",
    },
    Known {
        requests: &["info"],
        places: &[
            "body.DockerRootDir",
            "body.Driver",
            "body.DriverStatus",
            "body.ID",
            "body.NFd",
            "body.NGoroutines",
            "body.OperatingSystem",
            "body.RegistryConfig.*",
            "body.ServerVersion",
        ],
        what: "Values of windlass",
        why: "Storage and registry access are its own",
    },
    Known {
        requests: &[
            "unknown path*",
            "wrong method",
            "no version",
            "version too*",
        ],
        places: &["headers.docker-experimental", "headers.ostype"],
        what: "Present",
        why: "Every response has these headers",
    },
    Known {
        requests: &["version too*"],
        places: &["body", "body.message", "headers.content-type"],
        what: "The versions in the message; always JSON",
        why: "1.24 is the oldest supported version; older ones, from 1.12 on, are accepted for tools that pin theirs",
    },
    Known {
        requests: &["disk usage*"],
        places: &["body.BuildCache"],
        what: "`[]` in place of `null`",
        why: "As in later versions",
    },
    Known {
        requests: &["inspect*"],
        places: &["body.GraphDriver.Name"],
        what: "`windlass`",
        why: "The storage is its own",
    },
    Known {
        requests: &["pull, digest of another platform's"],
        places: &["body.*"],
        what: "The pull succeeds, where dockerd refuses it",
        why: "An index has an image for each platform, and the store had one of them",
    },
    Known {
        requests: &[
            "images",
            "images, *",
            "disk usage",
            "inspect, of an index",
            "prune, all",
        ],
        places: &[
            "body[].RepoDigests",
            "body.Images[].RepoDigests",
            "body.RepoDigests",
            "body.ImagesDeleted",
        ],
        what: "The digest of the manifest of that image",
        why: "It was pulled by the digest of its index, which is the name of the image for another platform",
    },
    Known {
        requests: &["pull, all tags"],
        places: &["body.words[]*", "body.layers.*"],
        what: "The order of the lines; existing layers are listed",
        why: "Several tags are pulled at a time",
    },
    Known {
        requests: &["pull, other platform"],
        places: &["status", "body.*"],
        what: "404 before the stream starts, and the available platforms",
        why: "As in later versions; the CLI prints the same",
    },
    Known {
        requests: &["pull, platform of a lone image"],
        places: &["status", "body.*"],
        what: "404, where dockerd pulls it",
        why: "MF-11: a request for one platform never returns another one",
    },
    Known {
        requests: &[
            "create, nothing",
            "distribution, missing",
            "events, odd time",
            "images, filter: *",
            "import, bad change",
            "inspect, bad name",
            "inspect, missing*",
            "load, *",
            "login, no JSON",
            "prune, bad filter",
            "prune, odd dangling",
            "pull, bad digest",
            "pull, bad name and host",
            "pull, no platform",
            "pull, nobody listens",
            "save, missing",
            "search, *",
            "tag, no name",
        ],
        places: &["body.message", "body.words[].error*"],
        what: "The error message",
        why: "The messages are more precise; the parts that scripts match are the same",
    },
    Known {
        requests: &[
            "create, nothing",
            "events, odd time",
            "images, filter: bad reference",
            "images, filter: no JSON",
            "login, no JSON",
            "push, bad name",
            "save, bad name",
            "tag, bad name",
            "tag, bad tag",
            "tag, no name",
        ],
        places: &["status"],
        what: "400 in place of 500",
        why: "As in later versions: the request is invalid",
    },
    Known {
        requests: &["images, filter: not dangling"],
        places: &["body"],
        what: "An image with a digest and no tag is left out, where dockerd lists it under `dangling=true` as well",
        why: "An image is either dangling or not",
    },
    Known {
        requests: &["push*"],
        places: &["body.layers.*", "body.words[].status", "body.words[].aux.*"],
        what: "The digest, the size, and the layer IDs",
        why: "The manifest and the blobs are pushed as they were pulled, so that their digests are the same; dockerd \
              compresses the layers again and writes another manifest",
    },
    Known {
        requests: &["inspect, loaded", "images, some removed", "prune, all"],
        places: &[
            "*.RepoDigests[]",
            "body[].RepoDigests[]",
            "body.ImagesDeleted[].Untagged",
        ],
        what: "The digest after a push",
        why: "It is that of the pulled image",
    },
    Known {
        requests: &["login, *, wrong"],
        places: &["status", "body.message"],
        what: "401 and the message of the registry, in place of 500",
        why: "The credentials are wrong, not the server; the CLI exits with 1 either way",
    },
    Known {
        requests: &[
            "pull, * is wanted",
            "pull, * is wrong",
            "push, * is wanted",
            "distribution, * is wanted",
        ],
        places: &["body.message", "body.words[].error*"],
        what: "The error message",
        why: "It is that of the registry",
    },
    Known {
        requests: &["distribution, token is wanted"],
        places: &["status"],
        what: "404 in place of 403",
        why: "As for a pull: a registry does not reveal whether an inaccessible image exists",
    },
    Known {
        requests: &["import, garbage"],
        places: &["status", "body.*"],
        what: "The error is in the stream",
        why: "As for every error after the request was parsed",
    },
    Known {
        requests: &["prune, all"],
        places: &["body.SpaceReclaimed"],
        what: "More",
        why: "It is the disk space that is freed: whole blocks, and the compressed layers too",
    },
    Known {
        requests: &["elsewhere: networks"],
        places: &["body"],
        what: "No network",
        why: "windlass runs no containers",
    },
    Known {
        requests: &["elsewhere: nodes", "elsewhere: swarm"],
        places: &["body.message"],
        what: "No advice to create a swarm",
        why: "windlass has no swarms",
    },
    Known {
        requests: &["elsewhere: containers/create"],
        places: &["status", "body.message"],
        what: "501 and one sentence, which the CLI prints, in place of 404",
        why: "windlass runs no containers; after a 404 the CLI would pull the image and retry",
    },
];

impl Known {
    /// Returns whether the difference is one of these.
    pub(super) fn is(&self, found: &Difference) -> bool {
        let any = |patterns: &[&str], text: &str| patterns.iter().any(|it| matches(it, text));
        any(self.requests, &found.request) && any(self.places, &found.place)
    }

    /// Returns the row of the table.
    pub(super) fn row(&self) -> String {
        let list = |patterns: &[&str]| {
            let quoted = patterns.iter().map(|it| format!("`{it}`"));
            quoted.collect::<Vec<_>>().join(", ")
        };
        let (requests, places) = (list(self.requests), list(self.places));
        format!("| {requests} | {places} | {} | {} |", self.what, self.why)
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .any(|at| matches(rest, &text[at..]))
        }),
    }
}
