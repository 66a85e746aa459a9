//! The tables a JPEG carries between its scans: quantisation, Huffman codes, the restart interval.

use crate::bits::Huffman;
use crate::error::Error;
use crate::markers::{DHT, DQT, DRI};

/// Row-by-row position of each coefficient in zigzag order.
pub(crate) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The tables in force at a position of the file: four of each.
#[derive(Default)]
pub(crate) struct Tables {
    /// Quantisation steps, row by row.
    pub(crate) quantisation: [Option<[u16; 64]>; 4],
    pub(crate) dc: [Option<Huffman>; 4],
    pub(crate) ac: [Option<Huffman>; 4],
    /// MCUs between restart markers; 0 for none.
    pub(crate) restart_interval: usize,
}

impl Tables {
    /// Reads a table segment; ignores any other.
    pub(crate) fn take(&mut self, marker: u8, segment: &[u8]) -> Result<(), Error> {
        let taken = match marker {
            DQT => self.take_quantisation(segment),
            DHT => self.take_huffman(segment),
            DRI => self.take_restart_interval(segment),
            _ => Some(()),
        };
        taken.ok_or_else(|| Error::damaged("one of its tables contradicts itself"))
    }

    fn take_quantisation(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = segment.split_first() {
            let bytes_per_step = if head >> 4 == 0 { 1 } else { 2 };
            let (steps, rest) = rest.split_at_checked(64 * bytes_per_step)?;
            let table = self.quantisation.get_mut(usize::from(head & 15))?.insert([0; 64]);
            for (&position, step) in ZIGZAG.iter().zip(steps.chunks_exact(bytes_per_step)) {
                table[usize::from(position)] =
                    step.iter().fold(0, |high, &low| high << 8 | u16::from(low));
            }
            segment = rest;
        }
        Some(())
    }

    fn take_huffman(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let symbols = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols)?;
            let tables = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(head & 15))? = Some(Huffman::new(counts, symbols)?);
            segment = rest;
        }
        Some(())
    }

    fn take_restart_interval(&mut self, segment: &[u8]) -> Option<()> {
        let interval = segment.first_chunk::<2>()?;
        self.restart_interval = usize::from(u16::from_be_bytes(*interval));
        Some(())
    }
}
