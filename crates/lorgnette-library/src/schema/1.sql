-- A library of photos. Boxes and shares are fractions of the upright photo: x from the left, y from the top.

-- Networks that looked at the photos, and 'you', whose classes are the user's own.
CREATE TABLE model (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  fingerprint BLOB NOT NULL UNIQUE, -- the same network with the same settings gives the same
  settings TEXT NOT NULL,           -- JSON, for people
  features INTEGER NOT NULL         -- numbers a photo; 0 if there are none
) STRICT;

-- What a model can answer. The id is this library's own: a class belongs to one model.
CREATE TABLE class (
  id INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES model ON DELETE CASCADE,
  number INTEGER NOT NULL,          -- the network's own output index
  synset TEXT,                      -- such as n01440764
  name TEXT NOT NULL,               -- its names, with commas between them
  UNIQUE (model, number)
) STRICT;

-- The words of the classes' names; rowid is class.id.
CREATE VIRTUAL TABLE class_name USING fts5(name, content='class', content_rowid='id', tokenize='unicode61 remove_diacritics 2');

-- Folders that were indexed, as they were named, absolute.
CREATE TABLE folder (path BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE photo (
  id INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE,        -- absolute; the bytes of the file system, which need not be UTF-8
  digest BLOB,                      -- SHA-256 of the file; null if it could not be read
  bytes INTEGER NOT NULL,
  modified INTEGER NOT NULL,        -- nanoseconds since 1970, UTC
  taken TEXT,                       -- local time of the camera, YYYY-MM-DDTHH:MM:SS
  width INTEGER,                    -- upright, as is height
  height INTEGER,
  orientation INTEGER,              -- EXIF, 1 to 8
  state INTEGER NOT NULL,           -- 0 present, 1 vanished, 2 unreadable
  reason TEXT                       -- why it is unreadable
) STRICT;
CREATE INDEX photo_by_digest ON photo (digest);
CREATE INDEX photo_by_taken ON photo (taken) WHERE taken IS NOT NULL;

-- Which photos a model has looked at.
CREATE TABLE analysis (
  photo INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
  model INTEGER NOT NULL REFERENCES model ON DELETE CASCADE,
  PRIMARY KEY (photo, model)
) STRICT, WITHOUT ROWID;

-- The most probable classes of a photo as a whole.
CREATE TABLE whole (
  class INTEGER NOT NULL,
  photo INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
  probability REAL NOT NULL,
  source INTEGER NOT NULL,          -- 0 the model says so, 1 the user says so, 2 the model says so and the user does not
  PRIMARY KEY (class, photo)
) STRICT, WITHOUT ROWID;
CREATE INDEX whole_by_photo ON whole (photo);

-- Connected places of a photo where a class is the most probable one.
CREATE TABLE region (
  id INTEGER PRIMARY KEY,
  photo INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
  class INTEGER NOT NULL,
  share REAL NOT NULL,              -- of the photo; not more than its box has
  mean REAL NOT NULL,               -- probability over its cells
  peak REAL NOT NULL,               -- probability at its best cell
  source INTEGER NOT NULL           -- as in whole
) STRICT;
CREATE INDEX region_by_photo ON region (photo);

-- The box of each region. The class is a side of the box too, from class0 = class to class1 = class, for a class is one of
-- a thousand and a place one of nine: ask for both at once.
CREATE VIRTUAL TABLE region_box USING rtree(id, class0, class1, x0, x1, y0, y1);

-- What a model computes before it decides: four bytes of scale (float32, little-endian), then an int8 a number.
CREATE TABLE feature (
  id INTEGER PRIMARY KEY,
  photo INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
  model INTEGER NOT NULL REFERENCES model ON DELETE CASCADE,
  vector BLOB NOT NULL,
  UNIQUE (photo, model)
) STRICT;

-- Signatures of 512 bits of the features whose id / 1024 is the block, in the order of their ids: what a search for
-- similar photos reads instead of the vectors. Zeros where the model has no feature of that id.
CREATE TABLE signature (
  id INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES model ON DELETE CASCADE,
  block INTEGER NOT NULL,
  bits BLOB NOT NULL,
  UNIQUE (model, block)
) STRICT;

-- What the user said, kept when a photo is looked at again. A label is a synset if it has one, else a name.
CREATE TABLE correction (
  id INTEGER PRIMARY KEY,
  photo INTEGER NOT NULL REFERENCES photo ON DELETE CASCADE,
  wrong TEXT,                       -- a label that is not in the photo
  right INTEGER REFERENCES class,   -- a class of the user's that is
  x0 REAL, x1 REAL, y0 REAL, y1 REAL -- where, if the user said so
) STRICT;
CREATE INDEX correction_by_photo ON correction (photo);
