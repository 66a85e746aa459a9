//! Tensors as `.npy` files, NumPy's format (NEP 1), which `lorgnette run` reads and writes.
//!
//! The file is a magic number, a version, the length of a header, the header (a Python dictionary
//! with `descr`, `fortran_order` and `shape`), then the elements. Existing crates parse all of
//! Python's literals and need seventeen more crates; the three keys take a few lines.

use crate::tensor::{DType, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Decodes a file.
///
/// # Errors
/// Names the fault of the file, or the feature that tensors do not support: big-endian numbers,
/// column-major order, objects.
pub fn read(bytes: &[u8]) -> Result<Tensor, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("not an .npy file: the magic number is missing")?;
    let short = || "the file ends within its header".to_owned();
    let (length, start) = match rest.first().ok_or_else(short)? {
        1 => (rest.get(2..4).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))), 4),
        _ => (rest.get(2..6).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize), 6),
    };
    let length = length.ok_or_else(short)?;
    let header = rest.get(start..start + length).ok_or_else(short)?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
    if value_of(header, "fortran_order")?.starts_with("True") {
        return Err(
            "the elements are stored columns first (fortran_order); save a C-ordered copy".into()
        );
    }
    let dtype = dtype(value_of(header, "descr")?)?;
    let shape = shape(value_of(header, "shape")?)?;
    let content = &rest[start + length..];
    let wanted = crate::tensor::elements(&shape)
        .and_then(|n| n.checked_mul(dtype.size()))
        .ok_or("an absurd shape")?;
    let content = content.get(..wanted).ok_or_else(|| {
        format!(
            "the file ends early: {} bytes of elements where shape {shape:?} takes {wanted}",
            content.len()
        )
    })?;
    Tensor::from_shared(dtype, shape, content.to_vec().into())
        .ok_or_else(|| "an absurd shape".into())
}

/// Returns the text after `'key':` in the header.
fn value_of<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let place = quoted.iter().find_map(|key| header.find(key.as_str()).map(|at| at + key.len()));
    let rest = place.map(|at| header[at..].trim_start()).and_then(|rest| rest.strip_prefix(':'));
    rest.map(str::trim_start).ok_or_else(|| format!("the header has no {key}"))
}

fn dtype(value: &str) -> Result<DType, String> {
    let name = value.split(['\'', '"']).nth(1).unwrap_or(value);
    Ok(match name.trim_start_matches(['<', '|', '=']) {
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "u1" => DType::U8,
        "i1" => DType::I8,
        "u2" => DType::U16,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "u4" => DType::U32,
        "i8" => DType::I64,
        "u8" => DType::U64,
        "b1" => DType::Bool,
        _ => return Err(format!("elements of type {name} are not known; save them as float32")),
    })
}

fn shape(value: &str) -> Result<Vec<usize>, String> {
    let inside = value
        .strip_prefix('(')
        .and_then(|rest| rest.split(')').next())
        .ok_or("the shape is not a tuple")?;
    let lengths = inside.split(',').map(str::trim).filter(|length| !length.is_empty());
    lengths.map(|length| length.parse().map_err(|_| format!("'{length}' in the shape"))).collect()
}

/// Encodes a tensor. Types that NumPy does not have become float32.
pub fn write(tensor: &Tensor) -> Vec<u8> {
    let (name, content) = match tensor.dtype() {
        DType::F16 => ("<f2", tensor.bytes().to_vec()),
        DType::F64 => ("<f8", tensor.bytes().to_vec()),
        DType::U8 => ("|u1", tensor.bytes().to_vec()),
        DType::I8 => ("|i1", tensor.bytes().to_vec()),
        DType::U16 => ("<u2", tensor.bytes().to_vec()),
        DType::I16 => ("<i2", tensor.bytes().to_vec()),
        DType::I32 => ("<i4", tensor.bytes().to_vec()),
        DType::U32 => ("<u4", tensor.bytes().to_vec()),
        DType::I64 => ("<i8", tensor.bytes().to_vec()),
        DType::U64 => ("<u8", tensor.bytes().to_vec()),
        DType::Bool => ("|b1", tensor.bytes().to_vec()),
        DType::F32 | DType::BF16 | DType::String => ("<f4", tensor.f32_bytes().to_vec()),
    };
    let lengths: String = tensor.shape().iter().map(|n| format!("{n}, ")).collect();
    let header = format!(
        "{{'descr': '{name}', 'fortran_order': False, 'shape': ({}), }}",
        lengths.trim_end()
    );
    // The elements start at a multiple of 64 bytes; the header ends with a line feed. It is padded
    // without a width in `format!`, which panics beyond 65,535.
    let padded = |fixed: usize| {
        let length = (fixed + header.len() + 1).next_multiple_of(64) - fixed;
        header.clone() + &" ".repeat(length - 1 - header.len()) + "\n"
    };
    // A header of many dimensions takes version 2, which has a longer length.
    let short = padded(MAGIC.len() + 4);
    match u16::try_from(short.len()) {
        Ok(length) => [MAGIC, &[1, 0], &length.to_le_bytes(), short.as_bytes(), &content].concat(),
        Err(_) => {
            let long = padded(MAGIC.len() + 6);
            let length = (long.len() as u32).to_le_bytes();
            [MAGIC, &[2, 0], &length, long.as_bytes(), &content].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for shape in [vec![], vec![3], vec![2, 0, 5], vec![1, 2, 3, 4], vec![1; 30_000]] {
            let values = (0..shape.iter().product::<usize>()).map(|i| i as f32 - 1.5).collect();
            let tensor = Tensor::from_f32(&shape, values);
            let file = write(&tensor);
            let found = read(&file).unwrap();
            assert_eq!((found.shape(), found.bytes()), (tensor.shape(), tensor.bytes()));
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let file = write(&Tensor::from_f32(&[2, 3], vec![0.0; 6]));
        assert!(read(&file[..file.len() - 1]).unwrap_err().contains("ends early"));
        assert!(read(&file[..9]).unwrap_err().contains("header"));
        assert!(read(b"PK\x03\x04").unwrap_err().contains("not an .npy file"));
    }
}
