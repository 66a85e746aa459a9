//! Text that cannot command a terminal: names come from strangers' files.

use std::io::{self, BufWriter, IsTerminal as _, Write};

/// Escapes control characters other than line feeds and tabs, as in `\u{1b}`.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_command(letter) {
            safe.extend(letter.escape_unicode());
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// True for control characters of ASCII and of Latin-1 (C0, DEL, C1) that text does not need, and
/// for those that change the direction of what follows.
fn is_command(letter: char) -> bool {
    let changes_direction = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (letter.is_control() && !matches!(letter, '\n' | '\t')) || changes_direction
}

/// Locks standard output. Control characters are escaped in text, and in every format on a
/// terminal.
pub(crate) fn locked_stdout(is_text: bool) -> Box<dyn Write> {
    let out = BufWriter::new(io::stdout().lock());
    if is_text || io::stdout().is_terminal() {
        Box::new(PrintableWriter::new(out))
    } else {
        Box::new(out)
    }
}

/// Writes text with its control characters escaped; bytes that are no UTF-8 become U+FFFD.
///
/// A character that is cut between two writes is completed by the next one.
#[derive(Debug)]
pub(crate) struct PrintableWriter<W: Write> {
    out: W,
    /// The first bytes of a character whose other bytes have not come yet; at most three.
    cut: Vec<u8>,
}

impl<W: Write> PrintableWriter<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W) -> Self {
        Self { out, cut: Vec::new() }
    }
}

impl<W: Write> Write for PrintableWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cut.extend_from_slice(bytes);
        let pending = std::mem::take(&mut self.cut);
        let mut rest = &pending[..];
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.out.write_all(printable(text).as_bytes())?;
                    return Ok(bytes.len());
                }
                Err(error) => error,
            };
            let (valid, invalid) = rest.split_at(error.valid_up_to());
            self.out.write_all(printable(&String::from_utf8_lossy(valid)).as_bytes())?;
            let Some(length) = error.error_len() else {
                self.cut = invalid.to_vec();
                return Ok(bytes.len());
            };
            self.out.write_all("\u{fffd}".as_bytes())?;
            rest = &invalid[length..];
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use lorgnette::photos::path_text;

    use super::{PrintableWriter, printable};

    #[test]
    fn escape_codes_are_shown_not_sent() {
        assert_eq!(printable("a\u{1b}[31mb\r\u{9b}c\u{202e}"), r"a\u{1b}[31mb\u{d}\u{9b}c\u{202e}");
        assert_eq!(printable("größe\t1\n"), "größe\t1\n");
    }

    #[test]
    fn writes_may_cut_characters() {
        let text = "é\u{1b}]0;x\u{7}…\u{9b}7m日本";
        for cut in 1..text.len() {
            let mut out = Vec::new();
            let mut writer = PrintableWriter::new(&mut out);
            writer.write_all(&text.as_bytes()[..cut]).unwrap();
            writer.write_all(&text.as_bytes()[cut..]).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), printable(text), "cut at {cut}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_told_apart() {
        use std::os::unix::ffi::OsStrExt as _;
        let text = |name: &[u8]| path_text(std::ffi::OsStr::from_bytes(name).as_ref());
        assert_eq!(text(b"caf\xe9.jpg"), r"caf\xe9.jpg");
        assert_ne!(text(b"\xe9.jpg"), text(b"\xe8.jpg"));
        assert_eq!(text("größe/日本.jpg".as_bytes()), "größe/日本.jpg");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut out = Vec::new();
        PrintableWriter::new(&mut out).write_all(b"a\xffb\x9bc").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a\u{fffd}b\u{fffd}c");
    }
}
