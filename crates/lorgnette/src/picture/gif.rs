//! The canvas on which TensorFlow draws a GIF.

/// Bytes of the signature and the description of the screen.
const HEADER: usize = 13;
/// Bytes of the description of a frame, without its mark.
const DESCRIPTION: usize = 9;

/// Returns the rows and columns of the canvas on which TensorFlow's decoders draw the first frame,
/// if they are not those of the screen: they are those of the frame, which keeps its place, so that
/// a part of it may be cut off. `None` for a damaged file.
pub(super) fn canvas(bytes: &[u8]) -> Option<[usize; 2]> {
    let screen = size(bytes.get(6..)?)?;
    let mut rest = bytes.get(HEADER + palette_bytes(*bytes.get(10)?)..)?;
    loop {
        match rest {
            // An extension: its kind, then blocks.
            [0x21, _, blocks @ ..] => rest = behind_blocks(blocks)?,
            [0x2c, frame @ ..] => {
                frame.get(..DESCRIPTION)?;
                let frame = size(&frame[4..])?;
                return (frame != screen).then_some(frame);
            }
            _ => return None,
        }
    }
}

/// Reads a width and a height as rows and columns.
fn size(bytes: &[u8]) -> Option<[usize; 2]> {
    let side = |at: usize| {
        let pair = bytes.get(at..at + 2)?.first_chunk()?;
        Some(usize::from(u16::from_le_bytes(*pair)))
    };
    Some([side(2)?, side(0)?])
}

/// The length of the palette that these flags announce.
fn palette_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Returns the bytes behind blocks that begin with their length each, up to an empty one.
fn behind_blocks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (&length, rest) = bytes.split_first()?;
        bytes = rest.get(usize::from(length)..)?;
        if length == 0 {
            return Some(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::canvas;

    #[test]
    fn a_frame_that_is_not_as_large_as_the_screen_is_the_canvas() {
        let screen = b"GIF89a\x30\0\x28\0\x80\0\0\0\0\0\xff\xff\xff";
        let delay = b"\x21\xf9\x04\0\0\0\0\0";
        let frame = |columns: u8, rows: u8| [0x2c, 10, 0, 8, 0, columns, 0, rows, 0, 0];
        let file = |columns, rows| [&screen[..], delay, &frame(columns, rows)].concat();
        assert_eq!(canvas(&file(20, 16)), Some([16, 20]));
        assert_eq!(canvas(&file(48, 40)), None);
        let whole = file(20, 16);
        for length in 0..whole.len() {
            assert_eq!(canvas(&whole[..length]), None, "{length} bytes");
        }
    }
}
