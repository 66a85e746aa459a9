//! NumPy's files, as `lorgnette run` reads them.

use lorgnette::net::{DType, Tensor, npy};

use super::{Input, Target};
use crate::mutate::scramble;
use crate::random::Random;

const TYPES: [DType; 8] =
    [DType::F16, DType::F32, DType::F64, DType::U8, DType::I8, DType::I32, DType::I64, DType::Bool];

/// Header lines of unusual writers.
const HEADERS: [&str; 6] = [
    "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }",
    "{\"shape\": (4294967296, 4294967296), \"descr\": \">i8\", \"fortran_order\": False}",
    "{'shape': (-1,), 'descr': '|O', 'fortran_order': False}",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}",
    "'shape'''descr':'fortran_order':",
    "",
];

/// The target of `.npy` files.
pub(super) struct Tensors;

impl Target for Tensors {
    fn input(&self, random: &mut Random) -> Input {
        let shape: Vec<usize> = (0..random.below(5)).map(|_| random.below(6)).collect();
        let values = (0..shape.iter().product()).map(|_| random.float()).collect();
        let mut bytes = npy::write(&Tensor::from_floats(*random.pick(&TYPES), &shape, values));
        if random.one_in(8) {
            let header = random.pick(&HEADERS).as_bytes();
            bytes.splice(10..10 + header.len().min(bytes.len() - 10), header.iter().copied());
        }
        for _ in 0..=random.below(4) {
            // Most errors are in the header.
            let mut header: Vec<u8> = bytes.drain(..bytes.len().min(128)).collect();
            scramble(random, &mut header, HEADERS[0].as_bytes());
            bytes.splice(..0, header);
        }
        Input { bytes, origin: 0 }
    }

    fn run(&self, input: &Input, _: &mut Random) -> Result<&'static str, String> {
        let Ok(tensor) = npy::read(&input.bytes) else { return Ok("refused") };
        let again = npy::read(&npy::write(&tensor))
            .map_err(|error| format!("what is written is not read: {error}"))?;
        if (again.shape(), again.bytes()) != (tensor.shape(), tensor.bytes()) {
            return Err("what is written is not what is read".into());
        }
        if tensor.to_f32().len() != tensor.len() || tensor.to_i64().len() != tensor.len() {
            return Err("a tensor's values are not as many as its shape holds".into());
        }
        Ok("read")
    }

    /// A byte becomes a float of four bytes and an integer of eight.
    fn bound(&self, length: usize) -> usize {
        (64 << 10) + 32 * length
    }

    fn share(&self) -> f64 {
        0.05
    }
}
