//! The differences that there are, and why. `docs/docker-differences.md` has them as a table.

use super::compare::Difference;

/// Differences that have one reason.
#[derive(Debug)]
pub(super) struct Known {
    /// Which requests, by name: `*` stands for anything.
    requests: &'static [&'static str],
    /// Which places in the answer, likewise.
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
        why: "windlass speaks newer versions, too; a client takes the one that both speak",
    },
    Known {
        requests: &["ping*"],
        places: &["headers.builder-version"],
        what: "Named",
        why: "As by later versions: then the CLI asks nobody which builder there is",
    },
    Known {
        requests: &["version"],
        places: &["body.*"],
        what: "Versions, and what it was built of",
        why: "It is windlass, and says so",
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
        what: "Nothing there is, and a warning",
        why: "No container runs here",
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
        what: "Its own",
        why: "It keeps layers and speaks to registries in its own way",
    },
    Known {
        requests: &[
            "unknown path*",
            "wrong method",
            "no version",
            "version too*",
        ],
        places: &["headers.docker-experimental", "headers.ostype"],
        what: "There",
        why: "Every answer has the same",
    },
    Known {
        requests: &["version too*"],
        places: &["body", "body.message", "headers.content-type"],
        what: "The versions in the sentence; always a document",
        why: "1.24 is the oldest that is promised; older prefixes, from 1.12 on, are let through for tools that pin theirs",
    },
    Known {
        requests: &["disk usage*"],
        places: &["body.BuildCache"],
        what: "`[]` in place of `null`",
        why: "As by later versions",
    },
    Known {
        requests: &["inspect*"],
        places: &["body.GraphDriver.Name"],
        what: "`windlass`",
        why: "It keeps layers in its own way",
    },
    Known {
        requests: &["pull, digest of another platform's"],
        places: &["body.*"],
        what: "It is pulled, where dockerd refuses",
        why: "An index stands for an image of each platform, and one of them was here before",
    },
    Known {
        requests: &["pull, all tags"],
        places: &["body.words[]*", "body.layers.*"],
        what: "The order of the lines; layers that are here are told",
        why: "Several tags are pulled at a time",
    },
    Known {
        requests: &["pull, other platform"],
        places: &["status", "body.*"],
        what: "404 before a line is sent, and which platforms there are",
        why: "As by later versions; the CLI prints the same",
    },
    Known {
        requests: &["pull, platform of a lone image"],
        places: &["status", "body.*"],
        what: "404, where dockerd pulls it",
        why: "MF-11: who asks for a platform does not get another one",
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
        what: "The words of what failed",
        why: "They say what was wrong, and where; what scripts look for is in them as it was",
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
        why: "As by later versions: the mistake is the client's",
    },
    Known {
        requests: &["images, filter: not dangling"],
        places: &["body"],
        what: "An image with a digest and no tag is not among them, where dockerd has it under `dangling=true` as well",
        why: "It is one or the other",
    },
    Known {
        requests: &["push*"],
        places: &["body.layers.*", "body.words[].status", "body.words[].aux.*"],
        what: "The digest, the size, and what the layers are called",
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
        what: "The digest of what was pushed",
        why: "It is that of what was pulled",
    },
    Known {
        requests: &["login, *, wrong"],
        places: &["status", "body.message"],
        what: "401 and the registry's words, in place of 500",
        why: "It says who is to do something about it; the CLI ends with 1 either way",
    },
    Known {
        requests: &[
            "pull, * is wanted",
            "pull, * is wrong",
            "push, * is wanted",
            "distribution, * is wanted",
        ],
        places: &["body.message", "body.words[].error*"],
        what: "The words of what failed",
        why: "They are the registry's",
    },
    Known {
        requests: &["distribution, token is wanted"],
        places: &["status"],
        what: "404 in place of 403",
        why: "As for a pull: a registry does not say whether there is something that may not be seen",
    },
    Known {
        requests: &["import, garbage"],
        places: &["status", "body.*"],
        what: "It is told in the stream",
        why: "As for everything that fails after all that was asked was understood",
    },
    Known {
        requests: &["prune, all"],
        places: &["body.SpaceReclaimed"],
        what: "More",
        why: "It is what the disk gets back: whole blocks, and the compressed layers, too",
    },
    Known {
        requests: &["elsewhere: networks"],
        places: &["body"],
        what: "None",
        why: "No container runs here that would be in one",
    },
    Known {
        requests: &["elsewhere: nodes", "elsewhere: swarm"],
        places: &["body.message"],
        what: "It is not told how to make a swarm",
        why: "There cannot be one",
    },
    Known {
        requests: &["elsewhere: containers/create"],
        places: &["status", "body.message"],
        what: "501 and one sentence, which the CLI prints, in place of 404",
        why: "No container runs here; after a 404 the CLI would pull the image and ask again",
    },
];

impl Known {
    /// Whether this is one of them.
    pub(super) fn is(&self, found: &Difference) -> bool {
        let any = |patterns: &[&str], text: &str| patterns.iter().any(|it| matches(it, text));
        any(self.requests, &found.request) && any(self.places, &found.place)
    }

    /// Its row of the table.
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
