use lorgnette_kernels::{Level, Pool, Resize, reference, resize_bilinear, resize_nearest};

use crate::levels::levels;
use crate::material::{Dice, UNTOUCHED, assert_same, map};

#[test]
fn resizing_is_its_twin_to_the_last_bit() {
    let mut dice = Dice::new(41);
    let pool = Pool::new(2);
    let sizes = [[1, 1], [1, 7], [5, 4], [13, 30], [64, 3]];
    for level in levels() {
        for (from, to) in sizes.iter().flat_map(|&from| sizes.map(|to| (from, to))) {
            for (align_corners, half_pixel_centers) in [(false, false), (true, false), (false, true)] {
                let resize = Resize { align_corners, half_pixel_centers };
                let channels = dice.one_of(&[1, 3, 17, 64]);
                let map_in = map(2, from[0], from[1], channels, dice.between(0, 2));
                let map_out = map(2, to[0], to[1], channels, dice.between(0, 2));
                let input = dice.values(&map_in);
                let (mut slow, mut fast) = (vec![UNTOUCHED; map_out.len()], vec![UNTOUCHED; map_out.len()]);
                reference::resize_bilinear(resize, &map_in, &input, &map_out, &mut slow);
                resize_bilinear(level, resize, &map_in, &input, &map_out, &mut fast, &pool);
                assert_same(&fast, &slow, &(resize, from, to));
                reference::resize_nearest(resize, &map_in, &input, &map_out, &mut slow);
                resize_nearest(level, resize, &map_in, &input, &map_out, &mut fast, &pool);
                assert_same(&fast, &slow, &(resize, from, to));
            }
        }
    }
}

/// Worked out by hand from TensorFlow's documentation of the flags.
#[test]
fn flags_mean_what_tensorflow_means() {
    let (pool, level) = (Pool::new(1), Level::best());
    let bilinear = |resize| {
        let mut output = [0.0; 4];
        resize_bilinear(level, resize, &map(1, 1, 2, 1, 0), &[0.0, 1.0], &map(1, 1, 4, 1, 0), &mut output, &pool);
        output
    };
    let corners = Resize { align_corners: true, half_pixel_centers: false };
    let centers = Resize { align_corners: false, half_pixel_centers: true };
    assert_eq!(bilinear(Resize::default()), [0.0, 0.5, 1.0, 1.0]);
    assert_eq!(bilinear(corners), [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
    assert_eq!(bilinear(centers), [0.0, 0.25, 0.75, 1.0]);
}
