//! Requests that take more memory than the server may use fail alone. In a process of its own, whose
//! memory is limited.

mod common;

use common::{cat, post, send, server};
use lorgnette::Picture;
use lorgnette::net::memory::{self, LimitedAllocator};

/// That of the program.
#[global_allocator]
static ALLOCATOR: LimitedAllocator = LimitedAllocator;

#[test]
fn a_request_fails_with_a_sentence_and_the_server_goes_on() {
    const SIDES: [usize; 2] = [1600, 1000];
    let server = server(|_| {});
    // A photo of a few kilobytes that is drawn on and answered as a picture.
    let pixels = vec![90; SIDES[0] * SIDES[1] * 3];
    let photo = Picture::from_rgb8(SIDES[0], SIDES[1], pixels).expect("a picture");
    let photo = photo.to_png().expect("memory");
    let draw = |photo: &[u8]| send(&server, "POST /v1/classify", &["Accept: image/png"], photo);
    let answer = draw(&photo);
    assert_eq!(answer.status, 200, "without a limit: {}", answer.text());
    // Three quarters of the limit leave less than the two pictures take, and enough for a small one.
    memory::set_limit((memory::used() + (7 << 20)) / 3 * 4);
    for _ in 0..5 {
        let answer = draw(&photo);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.text().contains("needs more memory"), "{}", answer.text());
        let answer = post(&server, "/v1/classify?top=1", cat());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let metrics = common::get(&server, "/metrics").text();
    let running = metrics.lines().find(|line| line.starts_with("lorgnette_requests_running"));
    assert!(running.is_none_or(|line| line.ends_with(" 0")), "{metrics}");
}
