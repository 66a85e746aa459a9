//! The file `checkpoint` that TensorFlow's savers write next to checkpoints: a `CheckpointState` in
//! protobuf's text format (`tensorflow/python/training/checkpoint_state.proto`).

/// Returns the paths in the file: the latest (`model_checkpoint_path`) first, then all from newest
/// to oldest (`all_model_checkpoint_paths` has the opposite order).
pub(super) fn paths(text: &str) -> Vec<String> {
    let field = |name: &'static str| text.lines().filter_map(move |line| value(line, name));
    let mut all: Vec<String> = field("all_model_checkpoint_paths").collect();
    all.reverse();
    field("model_checkpoint_path").chain(all).collect()
}

/// Returns the text of a state file that names one checkpoint in the same folder.
pub(super) fn written(name: &str) -> String {
    let escaped: String = name
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\{byte:03o}"),
        })
        .collect();
    format!("model_checkpoint_path: \"{escaped}\"\nall_model_checkpoint_paths: \"{escaped}\"\n")
}

fn value(line: &str, name: &str) -> Option<String> {
    let rest = line.trim().strip_prefix(name)?.trim_start().strip_prefix(':')?.trim();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    unescaped(rest.strip_prefix(quote)?, quote)
}

/// Decodes the text up to the closing quote. Protobuf writes characters outside ASCII as the octal
/// numbers of their bytes.
fn unescaped(text: &str, quote: char) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'\\' => bytes.push(escape(&mut rest)?),
            _ if char::from(byte) == quote => return String::from_utf8(bytes).ok(),
            _ => bytes.push(byte),
        }
    }
}

fn escape(rest: &mut &[u8]) -> Option<u8> {
    let digits = rest.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    if digits > 0 {
        let (octal, after) = rest.split_at(digits);
        *rest = after;
        return octal
            .iter()
            .try_fold(0u8, |value, digit| value.checked_mul(8)?.checked_add(digit - b'0'));
    }
    let (&letter, after) = rest.split_first()?;
    *rest = after;
    Some(match letter {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_comes_first() {
        let text = "model_checkpoint_path: \"model-3\"\nall_model_checkpoint_paths: \"model-2\"\n\
                    all_model_checkpoint_paths: \"model-3\"\nlast_preserved_timestamp: 1.5\n";
        assert_eq!(paths(text), ["model-3", "model-3", "model-2"]);
    }

    #[test]
    fn names_in_quotes_are_read_as_protobuf_writes_them() {
        assert_eq!(
            paths(r#"model_checkpoint_path: "C:\\tmp\\na\303\257ve \"x\"""#),
            [r#"C:\tmp\naïve "x""#]
        );
        assert!(paths("model_checkpoint_path: \"never closed").is_empty());
        assert!(paths(r#"model_checkpoint_path: "\777""#).is_empty());
    }
}
