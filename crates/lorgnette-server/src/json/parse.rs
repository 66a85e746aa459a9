//! Text to values.

use super::{Number, Numbers, Value};

/// Maximum depth of arrays and objects in one another. A tensor of images has 4.
const MAX_DEPTH: usize = 64;

/// Parses a text of one value. `NaN` and `Infinity` are numbers.
///
/// # Errors
/// An error in a text, with its position in bytes.
pub(crate) fn parse(text: &[u8]) -> Result<Value, String> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.document()?;
    parser.skip_space();
    match parser.at == text.len() {
        true => Ok(value),
        false => Err(parser.error("there is something behind the value")),
    }
}

/// Parses the first value of a text and ignores what is behind it, as TensorFlow Serving does.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_prefix(text: &[u8]) -> Result<Value, String> {
    Parser { text, at: 0 }.document()
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn document(&mut self) -> Result<Value, String> {
        self.skip_space();
        if self.at == self.text.len() {
            return Err("the document is empty".to_owned());
        }
        self.value(0)
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(self.error(&format!("it is nested deeper than {MAX_DEPTH}")));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => Ok(Value::Number(self.number()?)),
            Some(_) => Err(self.error("no value begins so")),
            None => Err(self.error("the text ends within a value")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::Array(Vec::new()));
        }
        let mut numbers = Numbers { values: Vec::new(), are_integers: true };
        while let Some(b'-' | b'0'..=b'9' | b'N' | b'I') = self.peek() {
            let number = self.number()?;
            numbers.values.push(number.value);
            numbers.are_integers &= number.is_integer;
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::Numbers(numbers));
            }
            self.expect(b',', "',' or ']'")?;
            self.skip_space();
        }
        let number = |value| Value::Number(Number { value, is_integer: numbers.are_integers });
        let mut values: Vec<Value> = numbers.values.iter().copied().map(number).collect();
        loop {
            values.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::Array(values));
            }
            self.expect(b',', "',' or ']'")?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a member has no name in quotes"));
            }
            let name = self.string()?;
            self.skip_space();
            self.expect(b':', "':'")?;
            members.push((name, self.value(depth + 1)?));
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            self.expect(b',', "',' or '}'")?;
        }
    }

    fn number(&mut self) -> Result<Number, String> {
        let rest = &self.text[self.at..];
        let words: [(&[u8], f64); 5] = [
            (b"NaN", f64::NAN),
            (b"Infinity", f64::INFINITY),
            (b"-Infinity", f64::NEG_INFINITY),
            (b"Inf", f64::INFINITY),
            (b"-Inf", f64::NEG_INFINITY),
        ];
        if let Some((word, value)) = words.into_iter().find(|(word, _)| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(Number { value, is_integer: false });
        }
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        if !is_json_number(text.as_bytes()) {
            return Err(self.error("this is no number of JSON"));
        }
        let value = text.parse().map_err(|_| self.error("this is no number"))?;
        self.at += length;
        Ok(Number { value, is_integer: !text.contains(['.', 'e', 'E']) })
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.iter().take_while(|&&b| b >= 0x20 && b != b'"' && b != b'\\').count();
            out.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut out)?,
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("the text ends within a string")),
            }
        }
        self.at += 1;
        String::from_utf8(out).map_err(|_| self.error("a string that is not UTF-8"))
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let kind = self.text.get(self.at + 1).copied();
        self.at += 2;
        let byte = match kind {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'u') => {
                let character = self.code_point()?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.error("an unknown escape in a string")),
        };
        out.push(byte);
        Ok(())
    }

    fn code_point(&mut self) -> Result<char, String> {
        let high = self.hexadecimal()?;
        let is_high = (0xd800..0xdc00).contains(&high);
        let code = if is_high && self.text[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let low = self.hexadecimal()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.error("half a surrogate pair"));
            }
            0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| self.error("half a surrogate pair"))
    }

    fn hexadecimal(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let is_hexadecimal = text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let code = is_hexadecimal.then(|| u32::from_str_radix(text, 16).ok()).flatten();
        self.at += 4;
        code.ok_or_else(|| self.error("\\u without four hexadecimal digits"))
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, String> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("no value begins so"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), String> {
        match self.take(byte) {
            true => Ok(()),
            false => Err(self.error(&format!("{what} is missing"))),
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn error(&self, what: &str) -> String {
        format!("JSON Parse error: {what} at offset {}", self.at.min(self.text.len()))
    }
}

/// True for `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`.
fn is_json_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', exponent @ ..] => exponent,
            exponent => exponent,
        };
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<(f64, bool)> {
        match parse(text.as_bytes()) {
            Ok(Value::Number(Number { value, is_integer })) => Some((value, is_integer)),
            _ => None,
        }
    }

    #[test]
    fn integers_are_told_from_floats() {
        assert_eq!(number("1"), Some((1.0, true)));
        assert_eq!(number("-0"), Some((0.0, true)));
        assert_eq!(number("1.0"), Some((1.0, false)));
        assert_eq!(number("1e2"), Some((100.0, false)));
        assert_eq!(number("-Infinity"), Some((f64::NEG_INFINITY, false)));
        assert!(number("NaN").is_some_and(|(value, _)| value.is_nan()));
        for wrong in ["01", "1.", ".5", "+1", "1e", "1e+", "--1", "1-1", "0x1", "1.2.3"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn arrays_of_numbers_are_packed() {
        let packed = parse(b"[1, 2.5,3 ]");
        let numbers = Numbers { values: vec![1.0, 2.5, 3.0], are_integers: false };
        assert_eq!(packed, Ok(Value::Numbers(numbers)));
        let mixed = parse(b"[1, \"a\"]").expect("it is right");
        let Value::Array(values) = mixed else { panic!("{mixed:?}") };
        assert_eq!(values[1], Value::String("a".into()));
        assert_eq!(parse(b"[]"), Ok(Value::Array(Vec::new())));
    }

    #[test]
    fn strings_have_escapes() {
        let text = parse(br#""a\u00e9\ud83d\ude00\n\"""#);
        assert_eq!(text, Ok(Value::String("aé😀\n\"".into())));
        for wrong in [&b"\"\\ud83d\""[..], b"\"\\x\"", b"\"a", b"\"\xff\"", b"\"\n\"", b"\"\\u12\""]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(60).as_bytes()).is_ok());
        assert!(parse(nested(1_000_000).as_bytes()).is_err_and(|e| e.contains("deeper")));
    }

    #[test]
    fn no_text_makes_it_panic() {
        let text = br#"{"inputs": [[1, -2.5e3, NaN], {"b64": "YQ=="}], "a\u00e9": [true, null]}"#;
        crate::mutation::mutations(text, 20_000, |mutant| {
            // Either outcome is right; a panic or an overflow is not.
            let _ = parse(mutant);
            let _ = parse_prefix(mutant);
        });
    }

    #[test]
    fn what_follows_the_first_value_is_refused_or_ignored() {
        assert!(parse(b"{} x").is_err());
        assert_eq!(parse_prefix(b"{} x"), Ok(Value::Object(Vec::new())));
        for wrong in [
            &b""[..],
            b"  ",
            b"{",
            b"[1,",
            b"[1 2]",
            b"{\"a\"}",
            b"{\"a\":}",
            b"tru",
            b"{a:1}",
            b"[1,]",
        ] {
            assert!(parse(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
