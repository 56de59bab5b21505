-- Verified blobs: blobs/<algorithm>/<hex>.
CREATE TABLE blobs (
    digest TEXT NOT NULL PRIMARY KEY,
    size   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Unpacked layers: layers/<algorithm>/<hex>/diff.
CREATE TABLE layers (
    diff_id             TEXT NOT NULL PRIMARY KEY,
    size                INTEGER NOT NULL,      -- bytes of file content
    entries             INTEGER NOT NULL,
    implied_directories BLOB NOT NULL,         -- paths, each followed by a NUL
    lower_links         BLOB NOT NULL,         -- path NUL target NUL, repeated
    created             INTEGER NOT NULL       -- seconds since 1970
) STRICT;

-- The blobs that were unpacked to a layer. Claims of a manifest are not recorded here.
CREATE TABLE layer_blobs (
    diff_id TEXT NOT NULL REFERENCES layers (diff_id) ON DELETE CASCADE,
    blob    TEXT NOT NULL REFERENCES blobs (digest) ON DELETE CASCADE,
    PRIMARY KEY (diff_id, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_blobs_by_blob ON layer_blobs (blob);

CREATE TABLE images (
    id           TEXT NOT NULL PRIMARY KEY REFERENCES blobs (digest),  -- the config
    manifest     TEXT NOT NULL REFERENCES blobs (digest),
    index_digest TEXT REFERENCES blobs (digest),  -- what the manifest was chosen from
    os           TEXT NOT NULL,                   -- the platform in the config
    architecture TEXT NOT NULL,
    variant      TEXT,
    os_version   TEXT,
    created      TEXT,                            -- the time in the config
    pulled       INTEGER NOT NULL                 -- seconds since 1970
) STRICT, WITHOUT ROWID;

-- The chain of an image, base first.
CREATE TABLE image_layers (
    image     TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    diff_id   TEXT NOT NULL REFERENCES layers (diff_id),
    chain_id  TEXT NOT NULL,
    blob      TEXT NOT NULL,     -- its digest in the manifest; stored only if it is in `blobs`
    blob_size INTEGER NOT NULL,
    PRIMARY KEY (image, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layers_by_layer ON image_layers (diff_id);

-- The blobs of an image: config, manifests, indexes, layers.
CREATE TABLE image_blobs (
    image  TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    digest TEXT NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (image, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_blobs_by_blob ON image_blobs (digest);

CREATE TABLE tags (
    repository TEXT NOT NULL,    -- with its registry: docker.io/library/alpine
    tag        TEXT NOT NULL,
    image      TEXT NOT NULL REFERENCES images (id),
    target     TEXT NOT NULL,    -- the manifest or index that the tag referred to when it was set
    PRIMARY KEY (repository, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_image ON tags (image);

CREATE TABLE digest_references (
    repository TEXT NOT NULL,
    digest     TEXT NOT NULL,
    image      TEXT NOT NULL REFERENCES images (id),
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX digest_references_by_image ON digest_references (image);
