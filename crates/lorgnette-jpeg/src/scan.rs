//! Decodes one scan: its components and the coefficients that it adds (ITU-T T.81, annexes F and
//! G).

use crate::bits::{BitReader, Coefficient, Huffman};
use crate::error::Error;
use crate::frame::{Component, Frame};
use crate::tables::{CodeKind, Tables, ZIGZAG, standard_huffman};

/// A scan's header.
pub(crate) struct Scan {
    components: Vec<ScanComponent>,
    /// First and last coefficient of the zigzag, 0 to 63.
    first: usize,
    last: usize,
    /// True if earlier scans brought higher bits of these coefficients.
    refines: bool,
    /// Position of the lowest bit of this scan, 0 to 13.
    low_bit: u32,
}

/// A component of a scan with its Huffman tables.
#[derive(Clone, Copy)]
struct ScanComponent {
    component: usize,
    dc: usize,
    ac: usize,
}

/// Position of an MCU in a scan, counted in MCUs from the upper left.
#[derive(Clone, Copy)]
struct McuPosition {
    x: usize,
    y: usize,
}

/// State carried from block to block.
#[derive(Default)]
struct State {
    /// Last DC coefficient of each component, of which there are at most four.
    dc: [i32; 4],
    /// Number of following blocks without more bits in this band.
    end_of_band_run: u32,
}

/// The scan's Huffman tables, looked up once.
struct Codes<'a> {
    dc: Option<&'a Huffman>,
    ac: Option<&'a Huffman>,
}

impl Scan {
    pub(crate) fn read(frame: &Frame, segment: &[u8]) -> Result<Self, Error> {
        Self::parse(frame, segment)
            .ok_or_else(|| Error::damaged("a scan header contradicts itself"))
    }

    fn parse(frame: &Frame, segment: &[u8]) -> Option<Self> {
        let (&count, rest) = segment.split_first()?;
        let (components, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let &[first, last, bits] = rest.first_chunk::<3>()?;
        let components: Option<Vec<ScanComponent>> = components
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&[id, tables]| ScanComponent::parse(frame, id, tables))
            .collect();
        let scan = if frame.progressive {
            let (first, last) = (usize::from(first), usize::from(last));
            Self {
                components: components?,
                first,
                last,
                refines: bits >> 4 != 0,
                low_bit: u32::from(bits & 15),
            }
        } else {
            Self { components: components?, first: 0, last: 63, refines: false, low_bit: 0 }
        };
        scan.is_valid(frame).then_some(scan)
    }

    fn is_valid(&self, frame: &Frame) -> bool {
        let named_once = (0..frame.components.len()).all(|index| {
            self.components
                .iter()
                .filter(|scan_component| scan_component.component == index)
                .count()
                <= 1
        });
        let band = self.first <= self.last && self.last < 64 && self.low_bit <= 13;
        let dc_alone = !frame.progressive || self.first != 0 || self.last == 0;
        let ac_alone = self.first == 0 || self.components.len() == 1;
        !self.components.is_empty() && named_once && band && dc_alone && ac_alone
    }

    /// The components of this scan.
    pub(crate) fn components(&self) -> impl Iterator<Item = usize> {
        self.components.iter().map(|scan_component| scan_component.component)
    }

    /// Adds the coefficients of this scan, at offset `at` of the file, to the frame; returns the
    /// offset after it.
    pub(crate) fn decode(
        &self,
        frame: &mut Frame,
        tables: &Tables,
        bytes: &[u8],
        at: usize,
    ) -> Result<usize, Error> {
        let mut bits = BitReader::new(bytes, at);
        let codes = self.codes(tables, frame.progressive)?;
        if self.is_unused(frame) {
            return Ok(at);
        }
        let (across, down) = match self.components[..] {
            [scan_component] => frame.components[scan_component.component].own_blocks,
            _ => frame.mcus,
        };
        let mut state = State::default();
        let mut until_restart = tables.restart_interval;
        let mut next_restart = 0;
        for mcu in 0..across * down {
            if tables.restart_interval != 0 && until_restart == 0 {
                bits.restart(next_restart);
                next_restart = (next_restart + 1) % 8;
                state = State::default();
                until_restart = tables.restart_interval;
            }
            until_restart = until_restart.wrapping_sub(1);
            // As in libjpeg: without bits, the blocks up to the next restart stay unchanged.
            if bits.is_exhausted() {
                if tables.restart_interval == 0 {
                    break;
                }
                continue;
            }
            let at = McuPosition { x: mcu % across, y: mcu / across };
            self.decode_mcu(frame, &codes, &mut bits, &mut state, at);
        }
        Ok(bits.end())
    }

    /// True if it has only AC coefficients of a component whose blocks become one sample each. Such
    /// scans are skipped.
    fn is_unused(&self, frame: &Frame) -> bool {
        self.first > 0
            && self
                .components()
                .all(|scan_component| frame.components[scan_component].block_side == 1)
    }

    /// Looks up each component's tables; rejects a scan that needs a missing one. The frames of a
    /// Motion JPEG lack the standard tables.
    fn codes<'a>(&self, tables: &'a Tables, is_progressive: bool) -> Result<Vec<Codes<'a>>, Error> {
        let wants_dc = self.first == 0 && !self.refines;
        let wants_ac = self.last > 0;
        let codes = self.components.iter().map(|scan_component| {
            let dc = tables.dc[scan_component.dc].as_ref();
            let ac = tables.ac[scan_component.ac].as_ref();
            let standard = |which, of_component: usize| {
                standard_huffman(which, of_component).filter(|_| !is_progressive)
            };
            let dc = dc.or_else(|| standard(CodeKind::Dc, scan_component.dc));
            let ac = ac.or_else(|| standard(CodeKind::Ac, scan_component.ac));
            let whole = (dc.is_some() || !wants_dc) && (ac.is_some() || !wants_ac);
            whole.then_some(Codes { dc, ac })
        });
        let codes: Option<Vec<_>> = codes.collect();
        codes.ok_or_else(|| Error::damaged("a Huffman table is missing"))
    }

    /// Decodes the blocks of one MCU: one block in a scan of one component, else all blocks of
    /// every component.
    fn decode_mcu(
        &self,
        frame: &mut Frame,
        codes: &[Codes<'_>],
        bits: &mut BitReader<'_>,
        state: &mut State,
        at: McuPosition,
    ) {
        let McuPosition { x, y } = at;
        let progressive = frame.progressive;
        let alone = self.components.len() == 1;
        for (scan_component, codes) in self.components.iter().zip(codes) {
            let component = &mut frame.components[scan_component.component];
            let (across, down) =
                if alone { (1, 1) } else { (component.horizontal, component.vertical) };
            for row in y * down..(y + 1) * down {
                for column in x * across..(x + 1) * across {
                    let dc = &mut state.dc[scan_component.component];
                    if progressive {
                        let block = block_at(component, column, row);
                        self.decode_band(bits, codes, dc, &mut state.end_of_band_run, block);
                    } else {
                        let mut block = [0; 64];
                        let is_flat = decode_baseline_block(bits, codes, dc, &mut block);
                        component.transform_block(column, row, &block, is_flat);
                    }
                }
            }
        }
    }

    /// Adds a progressive scan's bits to a block.
    fn decode_band(
        &self,
        bits: &mut BitReader<'_>,
        codes: &Codes<'_>,
        dc: &mut i32,
        run: &mut u32,
        block: &mut [i16; 64],
    ) {
        match (self.first, self.refines, codes) {
            (0, false, Codes { dc: Some(table), .. }) => {
                *dc = dc.wrapping_add(decode_difference(bits, table));
                block[0] = (*dc << self.low_bit) as i16;
            }
            (0, true, _) => block[0] |= (bits.read_bits(1) << self.low_bit) as i16,
            (_, false, Codes { ac: Some(table), .. }) => self.decode_first(bits, table, run, block),
            (_, true, Codes { ac: Some(table), .. }) => self.refine(bits, table, run, block),
            _ => {}
        }
    }

    /// The first bits of a band of AC coefficients (T.81, G.1.2.2).
    fn decode_first(
        &self,
        bits: &mut BitReader<'_>,
        table: &Huffman,
        run: &mut u32,
        block: &mut [i16; 64],
    ) {
        if *run > 0 {
            *run -= 1;
            return;
        }
        let mut k = self.first;
        while k <= self.last {
            let symbol = bits.symbol(table);
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && zeros < 15 {
                *run = end_of_band_run(bits, zeros) - 1;
                return;
            }
            k += zeros;
            if size != 0 {
                block[natural_order(k)] = (bits.signed(size) << self.low_bit) as i16;
            }
            k += 1;
        }
    }

    /// One more bit of a band of AC coefficients (T.81, G.1.2.3).
    fn refine(
        &self,
        bits: &mut BitReader<'_>,
        table: &Huffman,
        run: &mut u32,
        block: &mut [i16; 64],
    ) {
        let mut k = self.first;
        if *run == 0 {
            while k <= self.last {
                let symbol = bits.symbol(table);
                let (zeros, size) = (usize::from(symbol >> 4), symbol & 15);
                if size == 0 && zeros < 15 {
                    *run = end_of_band_run(bits, zeros);
                    break;
                }
                let new_coefficient = match size {
                    0 => 0,
                    _ if bits.read_bits(1) == 1 => 1 << self.low_bit,
                    _ => -1 << self.low_bit,
                };
                k = self.refine_until(bits, block, k, zeros);
                if new_coefficient != 0 {
                    block[natural_order(k)] = new_coefficient;
                }
                k += 1;
            }
        }
        if *run > 0 {
            self.refine_until(bits, block, k, usize::MAX);
            *run -= 1;
        }
    }

    /// Refines the nonzero coefficients up to the one after `zeros` zeros; returns that position.
    fn refine_until(
        &self,
        bits: &mut BitReader<'_>,
        block: &mut [i16; 64],
        from: usize,
        mut zeros: usize,
    ) -> usize {
        let bit = 1 << self.low_bit;
        for k in from..=self.last {
            let coefficient = &mut block[natural_order(k)];
            if *coefficient == 0 {
                if zeros == 0 {
                    return k;
                }
                zeros -= 1;
            } else if bits.read_bits(1) == 1 && *coefficient & bit == 0 {
                let away_from_zero = if *coefficient > 0 { bit } else { -bit };
                *coefficient = coefficient.wrapping_add(away_from_zero);
            }
        }
        self.last + 1
    }
}

impl ScanComponent {
    fn parse(frame: &Frame, id: u8, tables: u8) -> Option<Self> {
        let component = frame.components.iter().position(|component| component.id == id)?;
        let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
        (dc < 4 && ac < 4).then_some(Self { component, dc, ac })
    }
}

fn block_at(component: &mut Component, column: usize, row: usize) -> &mut [i16; 64] {
    let index = row * component.blocks_across + column;
    &mut component.coefficients.as_chunks_mut::<64>().0[index]
}

/// Decodes all 64 coefficients of a sequential block (T.81, F.2.2); returns true if all but the
/// first are zero.
#[inline]
fn decode_baseline_block(
    bits: &mut BitReader<'_>,
    codes: &Codes<'_>,
    dc: &mut i32,
    block: &mut [i16; 64],
) -> bool {
    let Codes { dc: Some(dc_table), ac: Some(ac_table) } = codes else { return true };
    // A local copy stays in registers.
    let mut reader = *bits;
    *dc = dc.wrapping_add(decode_difference(&mut reader, dc_table));
    block[0] = *dc as i16;
    let (mut k, mut is_flat) = (1, true);
    while k < 64 {
        let Coefficient { value, zeros, .. } = reader.coefficient(ac_table);
        if value == 0 {
            if zeros < 15 {
                break;
            }
            k += 16;
            continue;
        }
        k += usize::from(zeros);
        block[natural_order(k)] = value;
        is_flat = false;
        k += 1;
    }
    *bits = reader;
    is_flat
}

#[inline]
fn decode_difference(bits: &mut BitReader<'_>, table: &Huffman) -> i32 {
    let size = u32::from(bits.symbol(table));
    // Sixteen is for lossless files; a larger size is damage.
    bits.signed(size.min(16))
}

/// Number of blocks, including this one, without more bits in the band.
fn end_of_band_run(bits: &mut BitReader<'_>, size: usize) -> u32 {
    (1 << size) + bits.read_bits(size as u32) as u32
}

/// Row-by-row position of a zigzag position; clamped to the last, as in libjpeg.
#[inline]
fn natural_order(k: usize) -> usize {
    usize::from(ZIGZAG[k.min(63)])
}
