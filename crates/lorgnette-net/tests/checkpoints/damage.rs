//! Every kind of damage gives an error that names the file, the variable and the fault.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette_net::weights::Weights;

use crate::fixtures::fixtures;
use crate::tables::{self, varint};

/// Opens and reads everything; returns the first error.
fn refused(path: &Path) -> String {
    let weights = match Weights::open(path) {
        Ok(weights) => weights,
        Err(error) => return error.to_string(),
    };
    let error = weights.iter().find_map(|(_, read)| read.err());
    error.expect("damage is found").to_string()
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "'{part}' in: {message}");
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn v1() -> PathBuf {
    fixtures().copy("plain_v1").join("tiny.ckpt")
}

fn v2() -> (PathBuf, PathBuf) {
    let folder = fixtures().copy("plain_v2");
    (folder.join("tiny.ckpt.index"), folder.join("tiny.ckpt.data-00000-of-00001"))
}

/// A V2 checkpoint in which the entry of a variable is replaced.
fn v2_with(variable: &str, entry: Vec<u8>) -> String {
    let (index, _) = v2();
    tables::rewrite(&index, |entries| {
        entries.iter_mut().find(|(key, _)| key == variable.as_bytes()).unwrap().1 = entry;
    });
    refused(&index)
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed(u32),
}
use Field::{Bytes, Fixed, Number};

fn message(fields: &[(u64, Field<'_>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, field) in fields {
        match field {
            Number(value) => bytes.extend([varint(number << 3), varint(*value)].concat()),
            Bytes(value) => bytes
                .extend([&varint(number << 3 | 2), &varint(value.len() as u64), *value].concat()),
            Fixed(value) => {
                bytes.extend([&varint(number << 3 | 5)[..], &value.to_le_bytes()].concat());
            }
        }
    }
    bytes
}

fn shape(lengths: &[i64]) -> Vec<u8> {
    let dims: Vec<Vec<u8>> =
        lengths.iter().map(|&length| message(&[(1, Number(length as u64))])).collect();
    message(&dims.iter().map(|dim| (2, Bytes(dim))).collect::<Vec<_>>())
}

#[test]
fn v1_ends_early() {
    for kept in [4000, 40, 0] {
        let path = v1();
        edit(&path, |bytes| bytes.truncate(kept));
        assert_says(&refused(&path), &["tiny.ckpt"]);
    }
}

#[test]
fn v1_has_a_flipped_bit() {
    let path = v1();
    edit(&path, |bytes| bytes[3000] ^= 4);
    assert_says(&refused(&path), &["tiny.ckpt", "checksum does not match", "damaged"]);
}

#[test]
fn v1_lists_a_slice_that_is_not_there() {
    let path = v1();
    tables::rewrite(&path, |entries| drop(entries.remove(3)));
    assert_says(
        &refused(&path),
        &["tiny.ckpt", "variable 'tiny/conv", "slice", "is listed, but not there"],
    );
}

#[test]
fn v1_has_one_variable_under_the_key_of_another() {
    let path = v1();
    tables::rewrite(&path, |entries| entries[2].1 = entries[3].1.clone());
    assert_says(&refused(&path), &["variable 'tiny/conv1/", "there is another, of 'tiny/conv1"]);
}

#[test]
fn v1_has_fewer_values_than_its_shape() {
    let path = v1();
    // The biases, 11 floats: one less, and the three lengths around them.
    tables::rewrite(&path, |entries| {
        let (key, value) = entries
            .iter_mut()
            .find(|(key, _)| key.windows(6).any(|part| part == b"biases"))
            .unwrap();
        assert!(key.starts_with(b"\0tiny/logits/biases"));
        let values = message(&[(1, Number(1)), (5, Bytes(&[0; 40]))]);
        let slice = message(&[(1, Bytes(&[]))]);
        let data =
            message(&[(1, Bytes(b"tiny/logits/biases")), (2, Bytes(&slice)), (3, Bytes(&values))]);
        *value = message(&[(2, Bytes(&data))]);
    });
    assert_says(
        &refused(&path),
        &["variable 'tiny/logits/biases'", "40 bytes of values where 11 of them take 44"],
    );
}

/// A V1 file of one float variable of shape [4, 2], in slices of two columns each: first row and
/// number of rows.
fn v1_in_slices(slices: &[(i64, i64)], stored: &[(i64, i64)]) -> PathBuf {
    let slice = |&(start, length): &(i64, i64)| {
        let rows = message(&[(1, Number(start as u64)), (2, Number(length as u64))]);
        message(&[(1, Bytes(&rows)), (1, Bytes(&[]))])
    };
    let shape = shape(&[4, 2]);
    let slice_protos: Vec<Vec<u8>> = slices.iter().map(slice).collect();
    let mut variable = vec![(1, Bytes(b"v")), (2, Bytes(&shape)), (3, Number(1))];
    variable.extend(slice_protos.iter().map(|proto| (4, Bytes(proto))));
    let mut entries =
        vec![(vec![], message(&[(1, Bytes(&message(&[(1, Bytes(&message(&variable)))])))]))];
    for place @ (start, length) in stored {
        let key =
            [&b"\0v\0\x01\x01\x02"[..], &[0x80 ^ *start as u8, 0x80 ^ *length as u8, 0x80, 0x7f]]
                .concat();
        let values =
            message(&[(1, Number(1)), (5, Bytes(&vec![*start as u8; *length as usize * 8]))]);
        let data = message(&[(1, Bytes(b"v")), (2, Bytes(&slice(place))), (3, Bytes(&values))]);
        entries.push((key, message(&[(2, Bytes(&data))])));
    }
    entries.sort();
    let path = crate::fixtures::empty_folder("slices").join("v.ckpt");
    fs::write(&path, tables::write(&entries)).unwrap();
    path
}

#[test]
fn slices_that_overlap_or_are_missing() {
    let whole = v1_in_slices(&[(0, 1), (1, 3)], &[(0, 1), (1, 3)]);
    let read = Weights::open(whole).unwrap().get("v").unwrap();
    assert_eq!(read.bytes().to_vec(), [vec![0; 8], vec![1; 24]].concat());
    let refused = |slices: &[_]| refused(&v1_in_slices(slices, slices));
    assert_says(
        &refused(&[(0, 1), (2, 2)]),
        &["v.ckpt: variable 'v': slices are missing: there are 6 of 8 values"],
    );
    assert_says(
        &refused(&[(0, 3), (2, 2)]),
        &["variable 'v': slices overlap: there are 10 values where there should be 8"],
    );
    assert_says(&refused(&[(0, 2), (1, 2)]), &["variable 'v': its slices overlap at element 2"]);
    assert_says(
        &refused(&[(0, 2), (2, 3)]),
        &["variable 'v': its slice 2,3:- is not within its shape [4, 2]"],
    );
    assert_says(&refused(&[(0, 4), (63, 0)]), &["is not within its shape"]);
    assert_says(&refused(&[]), &["variable 'v': slices are missing: there are 0 of 8 values"]);
}

#[test]
fn v2_data_ends_early() {
    let (index, data) = v2();
    edit(&data, |bytes| bytes.truncate(2000));
    let message = refused(&index);
    assert_says(
        &message,
        &["tiny.ckpt.data-00000-of-00001: variable 'tiny/", "the file ends after 2000"],
    );
}

#[test]
fn v2_data_has_a_flipped_bit() {
    let (index, data) = v2();
    edit(&data, |bytes| bytes[1000] ^= 1);
    assert_says(
        &refused(&index),
        &["tiny.ckpt.data-00000-of-00001: variable 'tiny/conv", "checksum does not match"],
    );
}

#[test]
fn v2_lacks_a_shard() {
    let folder = fixtures().copy("sharded_v2");
    fs::remove_file(folder.join("tiny.ckpt.data-00001-of-00003")).unwrap();
    let message = refused(&folder);
    assert_says(
        &message,
        &[
            "tiny.ckpt.data-00001-of-00003: shard 2 of the 3 that",
            "tiny.ckpt.index needs is missing",
        ],
    );
}

#[test]
fn v2_has_an_index_of_another_kind() {
    let (index, _) = v2();
    tables::rewrite(&index, |entries| entries[0].1 = message(&[(1, Number(1)), (2, Number(7))]));
    assert_says(&refused(&index), &["tiny.ckpt.index: its byte order is unknown (7)"]);
    tables::rewrite(&index, |entries| {
        entries[0].1 = message(&[(1, Number(1)), (3, Bytes(&message(&[(2, Number(9))])))]);
    });
    assert_says(&refused(&index), &["tiny.ckpt.index: it needs a reader of version 9"]);
    tables::rewrite(&index, |entries| drop(entries.remove(0)));
    assert_says(&refused(&index), &["tiny.ckpt.index: the table has no header"]);
    fs::write(&index, fs::read(fixtures().path("plain_v1/tiny.ckpt")).unwrap()).unwrap();
    assert_says(&refused(&index), &["tiny.ckpt.index"]);
}

#[test]
fn v2_entries_that_cannot_be() {
    let name = "tiny/logits/biases";
    let says = |dtype, lengths: &[i64], shard, offset, size, parts: &[&str]| {
        let shape = shape(lengths);
        let place = [(3, Number(shard)), (4, Number(offset)), (5, Number(size)), (6, Fixed(0))];
        let entry = [message(&[(1, Number(dtype)), (2, Bytes(&shape))]), message(&place)].concat();
        let message = v2_with(name, entry);
        assert_says(&message, &["tiny.ckpt", "variable 'tiny/logits/biases': "]);
        assert_says(&message, parts);
    };
    says(1, &[11], 0, 0, 44, &["checksum does not match"]);
    says(1, &[11], 9, 0, 44, &["is in shard 9 of 1"]);
    says(1, &[11], 0, 1 << 60, 44, &["the file ends after 4032"]);
    says(1, &[11], 0, u64::MAX, 44, &["from byte -1"]);
    says(
        1,
        &[11],
        0,
        0,
        1 << 62,
        &["is noted as 4611686018427387904 bytes where 11 of float32 take 44"],
    );
    says(99, &[11], 0, 0, 44, &["is of type number 99"]);
    says(
        1,
        &[1 << 40, 1 << 40],
        0,
        0,
        44,
        &["has the absurd shape [1099511627776, 1099511627776]"],
    );
    says(1, &[-1], 0, 0, 44, &["has a dimension of -1"]);
    says(1, &[1 << 50], 0, 0, 1 << 52, &["the file ends after 4032"]);
    says(1, &[1; 300], 0, 0, 4, &["has 300 dimensions"]);
}

#[test]
fn a_table_that_claims_too_much() {
    let path = crate::fixtures::empty_folder("claims").join("v.ckpt");
    let refused = |table: Vec<u8>| {
        fs::write(&path, table).unwrap();
        refused(&path)
    };
    let entries_of = |bytes: &[u8]| tables::sealed(bytes, 0);
    assert_says(
        &refused(tables::table_of(&tables::sealed(b"", 7), b"z")),
        &["compressed in an unknown way (7)"],
    );
    let absurd = tables::sealed(&[&varint(1 << 31)[..], b"abc"].concat(), 1);
    assert_says(
        &refused(tables::table_of(&absurd, b"z")),
        &["bytes of snappy claim an absurd 2147483648"],
    );
    let long_value =
        [&[0, 0][..], &varint(1 << 40), &1u32.to_le_bytes(), &1u32.to_le_bytes()].concat();
    assert_says(
        &refused(tables::table_of(&entries_of(&long_value), b"z")),
        &["block of bytes 0 to", "longer than the block"],
    );
    let restarts = 0x7fff_ffffu32.to_le_bytes();
    assert_says(
        &refused(tables::table_of(&entries_of(&restarts), b"z")),
        &["restart points are longer than the block"],
    );
    assert_says(&refused(tables::write(&[])), &["no list of variables"]);
}

#[test]
fn keys_that_multiply_are_refused() {
    // One long key, then thousands that share it and add a byte: few bytes, many names.
    let (index, _) = v2();
    let header = tables::read(&fs::read(&index).unwrap())[0].1.clone();
    let mut block = [&[0, 0, header.len() as u8][..], &header].concat();
    block.extend([&[0][..], &varint(60_000), &[0], &vec![b'a'; 60_000]].concat());
    for step in 0..20_000u32 {
        let added = step.to_be_bytes();
        block.extend([&varint(60_000)[..], &[4, 0], &added.map(|byte| byte & 0x7f)].concat());
    }
    block.extend([0u32, 1].iter().flat_map(|number| number.to_le_bytes()));
    fs::write(&index, tables::table_of(&tables::sealed(&block, 0), b"z")).unwrap();
    let (message, most) = crate::memory::peak(|| refused(&index));
    assert_says(&message, &["tiny.ckpt.index"]);
    assert!(most < 256 * block.len(), "{most} bytes of memory for {}", block.len());
}
