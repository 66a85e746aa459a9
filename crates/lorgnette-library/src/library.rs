//! Creation and opening of library files, and limits for SQLite.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::bytes;
use crate::error::{DatabaseErrorKind, Error, Result};
use crate::schema;

/// Bytes of a page: seven features of 1024 values fit with little left over.
const PAGE_BYTES: i64 = 8192;
/// KiB of the page cache.
const CACHE_KIB: i64 = 65_536;
/// Maximum bytes of a text or blob: a path has at most 4 KiB, a block of signatures 64 KiB.
const MAX_VALUE_BYTES: i32 = 4 << 20;
/// Size of the cache of prepared statements: more than writing a photo needs.
const STATEMENT_CACHE: usize = 64;
/// Maximum wait for another writer, whose transactions take milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between attempts to take a lock that SQLite does not wait for.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// An open library of photos. Any number of processes and threads may read the same file while one
/// writes.
#[derive(Debug)]
pub struct Library {
    connection: Connection,
    path: PathBuf,
}

impl Library {
    /// Opens a library for writing; creates it if there is no file. Migrates an older version.
    ///
    /// # Errors
    /// If the file is not a library, or cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.exists() {
            check_is_file(path)?;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let what = format!("there is no folder {}: make it first", name(folder));
            return Err(Error::Unusable { name: name(path), what });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::open_writable(path, flags).map_err(|error| error.in_library(&name(path)))
    }

    /// Opens an existing library for writing. Migrates an older version.
    ///
    /// # Errors
    /// If there is no file, or it is not a library, or cannot be written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        check_exists(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::open_writable(path, flags).map_err(|error| error.in_library(&name(path)))
    }

    /// Opens a library for reading. The file is not changed and need not be writable.
    ///
    /// # Errors
    /// If there is no file, or it is not a library of the latest version.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        check_exists(path)?;
        let library = match Self::open_readable(path) {
            Err(error) if cannot_write_sidecars(&error) => Self::open_immutable(path),
            library => library,
        };
        library.map_err(|error| error.in_library(&name(path)))
    }

    fn open_readable(path: &Path) -> Result<Self> {
        // SQLite does not write to files without permission; with permission, the last connection
        // removes its sidecar files.
        let connection =
            connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.pragma_update(None, "query_only", true)?;
        let version = schema::version(&connection, &name(path))?;
        Self { connection, path: path.to_owned() }.check_version(version)
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the hardened connection.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Begins a write transaction; other writers wait until it ends.
    pub(crate) fn transaction(&mut self) -> Result<Transaction<'_>> {
        Ok(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// Returns the id of a photo, by its path.
    ///
    /// # Errors
    /// If the photo is not in the library.
    pub(crate) fn photo_id(&self, photo: &Path) -> Result<i64> {
        let sql = "SELECT id FROM photo WHERE path = ?";
        let find = |path: &Path| {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([bytes::from_path(path)], |row| row.get(0)).optional()
        };
        // Paths are stored canonical; that of a missing file can only be made absolute.
        let paths = [std::fs::canonicalize(photo), std::path::absolute(photo)];
        for path in paths.into_iter().flatten() {
            if let Some(id) = find(&path)? {
                return Ok(id);
            }
        }
        Err(Error::Request(format!("{}: not in the library {}", name(photo), name(&self.path))))
    }

    fn open_writable(path: &Path, flags: OpenFlags) -> Result<Self> {
        let name = name(path);
        let mut connection = connect(path, flags)?;
        let version = schema::version(&connection, &name)?;
        if version > 0 {
            schema::check(&connection, version, &name)?;
        } else {
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        }
        use_write_ahead_log(&connection)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        if version < schema::VERSION {
            schema::migrate_to_latest(&mut connection, &name)?;
        }
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Opens a library in a read-only folder. SQLite cannot put its lock files there, so the file
    /// is taken as immutable.
    fn open_immutable(path: &Path) -> Result<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            let what = "it was not closed by its last writer, and its folder cannot be written to: \
                        copy it and the file \
                        that ends in -wal to where they can be";
            return Err(Error::Unusable { name: name(path), what: what.into() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let full =
            std::path::absolute(path).map_err(|source| Error::File { name: name(path), source })?;
        let connection = connect(
            Path::new(&format!("file:{}?immutable=1", bytes::percent_encoded(&full))),
            flags,
        )?;
        let version = schema::version(&connection, &name(path))?;
        Self { connection, path: path.to_owned() }.check_version(version)
    }

    /// Refuses a library that is not of the latest version.
    fn check_version(self, version: usize) -> Result<Self> {
        let name = name(&self.path);
        match version {
            0 => Err(Error::not_a_library(&name, "it is empty")),
            schema::VERSION => schema::check(&self.connection, version, &name).map(|()| self),
            // An older version lacks tables that queries need.
            _ => Err(Error::OlderVersion { name, version }),
        }
    }
}

/// Formats a path for messages.
pub(crate) fn name(path: &Path) -> String {
    path.display().to_string()
}

fn check_exists(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(true) => check_is_file(path),
        Ok(false) => Err(Error::Missing { name: name(path) }),
        Err(source) => Err(Error::File { name: name(path), source }),
    }
}

/// Refuses folders, pipes and devices: opening a pipe would wait for a writer.
fn check_is_file(path: &Path) -> Result<()> {
    if path.is_file() {
        return check_beside(path);
    }
    let what = match path.is_dir() {
        true => "it is a folder: name a file",
        false => "it is a pipe or a device: name a file",
    };
    Err(Error::not_a_library(&name(path), what))
}

/// Refuses a library beside which a pipe or a device has the name of SQLite's journal: SQLite would
/// wait for a writer.
fn check_beside(path: &Path) -> Result<()> {
    for ending in ["-journal", "-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(ending);
        let beside = PathBuf::from(beside);
        if beside.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let what = format!("{} is no file: remove it", name(&beside));
            return Err(Error::Unusable { name: name(path), what });
        }
    }
    Ok(())
}

/// Limits the memory of SQLite to `bytes` in the whole process, however many connections it has.
/// A later call can lower the limit but not raise it. A program that opens libraries from unknown
/// sources calls this once at its start.
///
/// # Errors
/// If SQLite refuses the limit.
pub fn limit_memory(bytes: u64) -> Result<()> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let connection = Connection::open_in_memory()?;
    Ok(connection.pragma_update_and_check(None, "hard_heap_limit", bytes, |_| Ok(()))?)
}

/// Switches to write-ahead logging: readers do not wait for the writer, and a killed writer leaves
/// complete transactions. SQLite does not wait for the lock of this switch, so it is retried while
/// another process makes the same one.
fn use_write_ahead_log(connection: &Connection) -> Result<()> {
    let started = Instant::now();
    loop {
        let switched: rusqlite::Result<()> =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()));
        let Err(error) = switched else { return Ok(()) };
        let error = Error::from(error);
        let is_busy = error.database_kind() == Some(DatabaseErrorKind::Busy);
        if !is_busy || started.elapsed() >= BUSY_TIMEOUT {
            return Err(error);
        }
        thread::sleep(RETRY_INTERVAL);
    }
}

/// Opens a hardened connection: no code of the schema runs, values and queries are bounded, and
/// damaged pages are detected.
fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    // SQLite would take a name that begins with `file:` as a URI, and `:memory:` as a database in
    // memory; an absolute path is neither.
    let uri = flags.contains(OpenFlags::SQLITE_OPEN_URI);
    let path = if uri {
        path.to_owned()
    } else {
        std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
    };
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    for (switch, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(switch, on)?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)?; // vacuum needs one
    connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Returns whether SQLite could not create its sidecar files.
fn cannot_write_sidecars(error: &Error) -> bool {
    error.database_kind() == Some(DatabaseErrorKind::ReadOnly)
}
