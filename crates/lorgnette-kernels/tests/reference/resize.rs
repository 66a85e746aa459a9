use lorgnette_kernels::{
    ImagePair, Level, Resize, ThreadPool, reference, resize_bicubic, resize_bilinear,
    resize_nearest,
};

use crate::fixtures::{SENTINEL, TestRng, assert_same, layout};
use crate::levels::levels;

#[test]
fn resizing_matches_reference_bit_for_bit() {
    let mut rng = TestRng::new(41);
    let pool = ThreadPool::new(2);
    let sizes = [[1, 1], [1, 7], [5, 4], [13, 30], [64, 3]];
    for level in levels() {
        for (from, to) in sizes.iter().flat_map(|&from| sizes.map(|to| (from, to))) {
            for (align_corners, half_pixel_centers) in
                [(false, false), (true, false), (false, true)]
            {
                let resize = Resize { align_corners, half_pixel_centers };
                let channels = rng.one_of(&[1, 3, 17, 64]);
                let input_layout = layout(2, from[0], from[1], channels, rng.between(0, 2));
                let output_layout = layout(2, to[0], to[1], channels, rng.between(0, 2));
                let input = rng.values(&input_layout);
                let (mut expected, mut actual) =
                    (vec![SENTINEL; output_layout.len()], vec![SENTINEL; output_layout.len()]);
                reference::resize_bilinear(
                    resize,
                    &input_layout,
                    &input,
                    &output_layout,
                    &mut expected,
                );
                let images = ImagePair::new(&input_layout, &input, &output_layout, &mut actual);
                resize_bilinear(level, resize, images, &pool);
                assert_same(&actual, &expected, &(resize, from, to));
                reference::resize_nearest(
                    resize,
                    &input_layout,
                    &input,
                    &output_layout,
                    &mut expected,
                );
                let images = ImagePair::new(&input_layout, &input, &output_layout, &mut actual);
                resize_nearest(level, resize, images, &pool);
                assert_same(&actual, &expected, &(resize, from, to));
                reference::resize_bicubic(
                    resize,
                    &input_layout,
                    &input,
                    &output_layout,
                    &mut expected,
                );
                let images = ImagePair::new(&input_layout, &input, &output_layout, &mut actual);
                resize_bicubic(level, resize, images, &pool);
                assert_same(&actual, &expected, &(resize, from, to));
            }
        }
    }
}

/// Computed by hand from TensorFlow's documentation of the flags.
#[test]
fn flags_mean_what_tensorflow_means() {
    let (pool, level) = (ThreadPool::new(1), Level::best());
    let bilinear = |resize| {
        let mut output = [0.0; 4];
        let (from, to) = (layout(1, 1, 2, 1, 0), layout(1, 1, 4, 1, 0));
        let images = ImagePair::new(&from, &[0.0, 1.0], &to, &mut output);
        resize_bilinear(level, resize, images, &pool);
        output
    };
    let corners = Resize { align_corners: true, half_pixel_centers: false };
    let centers = Resize { align_corners: false, half_pixel_centers: true };
    assert_eq!(bilinear(Resize::default()), [0.0, 0.5, 1.0, 1.0]);
    assert_eq!(bilinear(corners), [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
    assert_eq!(bilinear(centers), [0.0, 0.25, 0.75, 1.0]);
}
