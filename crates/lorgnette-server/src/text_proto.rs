//! The text format of Protocol Buffers, as far as configuration files use it.

/// Maximum depth of messages in one another.
const MAX_DEPTH: usize = 16;

/// A message: its fields in the order of the text.
pub(crate) type Message = Vec<(String, FieldValue)>;

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FieldValue {
    Message(Message),
    String(String),
    /// A number or the name of an enum's value, as written.
    Word(String),
}

/// Parses a message.
///
/// # Errors
/// The line and the fault.
pub(crate) fn parse(text: &str) -> Result<Message, String> {
    let mut parser = Parser { text: text.as_bytes(), at: 0 };
    let message = parser.message(0)?;
    match parser.peek() {
        None => Ok(message),
        Some(_) => Err(parser.error("a '}' without its '{'")),
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn message(&mut self, depth: usize) -> Result<Message, String> {
        if depth > MAX_DEPTH {
            return Err(self.error("messages are nested too deeply"));
        }
        let mut fields = Vec::new();
        loop {
            match self.peek() {
                None | Some(b'}' | b'>') => return Ok(fields),
                Some(b',' | b';') => self.at += 1,
                Some(_) => self.field(depth, &mut fields)?,
            }
        }
    }

    fn field(&mut self, depth: usize, fields: &mut Message) -> Result<(), String> {
        let name = self.word();
        if name.is_empty() {
            return Err(self.error("a field's name is missing"));
        }
        let has_colon = self.take(b':');
        if has_colon && self.take(b'[') {
            while !self.take(b']') {
                let value = self.value(depth)?;
                fields.push((name.clone(), value));
                self.take(b',');
            }
            return Ok(());
        }
        if !has_colon && !matches!(self.peek(), Some(b'{' | b'<')) {
            return Err(self.error(&format!("':' or '{{' is missing behind '{name}'")));
        }
        let value = self.value(depth)?;
        fields.push((name, value));
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<FieldValue, String> {
        match self.peek() {
            Some(open @ (b'{' | b'<')) => {
                self.at += 1;
                let message = self.message(depth + 1)?;
                let close = if open == b'{' { b'}' } else { b'>' };
                match self.take(close) {
                    true => Ok(FieldValue::Message(message)),
                    false => Err(self.error("a message does not end")),
                }
            }
            Some(b'"' | b'\'') => {
                let mut text = self.string()?;
                // Strings in a row are one.
                while let Some(b'"' | b'\'') = self.peek() {
                    text += &self.string()?;
                }
                Ok(FieldValue::String(text))
            }
            _ => match self.word() {
                word if word.is_empty() => Err(self.error("a value is missing")),
                word => Ok(FieldValue::Word(word)),
            },
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = self.text[self.at];
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let byte = self.text.get(self.at).copied();
            self.at += 1;
            match byte {
                Some(byte) if byte == quote => break,
                Some(b'\\') => {
                    let escaped = self.text.get(self.at).copied();
                    self.at += 1;
                    out.push(match escaped {
                        Some(b'n') => b'\n',
                        Some(b't') => b'\t',
                        Some(b'r') => b'\r',
                        Some(byte @ (b'\\' | b'"' | b'\'')) => byte,
                        _ => return Err(self.error("an unknown escape in a string")),
                    });
                }
                None | Some(b'\n') => return Err(self.error("a string does not end")),
                Some(byte) => out.push(byte),
            }
        }
        String::from_utf8(out).map_err(|_| self.error("a string that is not UTF-8"))
    }

    fn word(&mut self) -> String {
        self.skip_space();
        let is_part =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+');
        let length = self.text[self.at..].iter().take_while(is_part).count();
        let word = String::from_utf8_lossy(&self.text[self.at..self.at + length]).into_owned();
        self.at += length;
        word
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            if byte == b'#' {
                let rest = &self.text[self.at..];
                self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
            } else if byte.is_ascii_whitespace() {
                self.at += 1;
            } else {
                break;
            }
        }
    }

    fn error(&self, what: &str) -> String {
        let before = &self.text[..self.at.min(self.text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        format!("line {line}: {what}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_messages_strings_and_words() {
        let text = "a { b: 'x' \"y\" } # comment\nc: [1, 2], d: TRUE e <f: -1>";
        let word = |word: &str| FieldValue::Word(word.into());
        let expected = vec![
            ("a".into(), FieldValue::Message(vec![("b".into(), FieldValue::String("xy".into()))])),
            ("c".into(), word("1")),
            ("c".into(), word("2")),
            ("d".into(), word("TRUE")),
            ("e".into(), FieldValue::Message(vec![("f".into(), word("-1"))])),
        ];
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn no_text_makes_it_panic() {
        let text = b"a { b: 'x' \"y\\n\" } # comment\nc: [1, 2], d: TRUE e <f: -1>";
        crate::mutation::mutations(text, 20_000, |mutant| {
            let _ = parse(&String::from_utf8_lossy(mutant));
        });
    }

    #[test]
    fn faults_name_their_line() {
        for (text, line) in [
            ("a", 1),
            ("a {", 1),
            ("a: \"x", 1),
            ("\n}", 2),
            ("a:\n", 2),
            ("a: [1", 1),
            ("a: {>", 1),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.starts_with(&format!("line {line}: ")), "{text}: {error}");
        }
        assert!(parse(&"a{".repeat(100)).is_err());
    }
}
