use rstest::rstest;

use super::*;

#[rstest]
#[case::first_byte(ReplyShape::Status, b"\x00OK", "expected OK or FL, got 00")]
#[case::second_byte(ReplyShape::Data, b"OL", "expected OK or FL, got 4f 4c")]
#[case::pending_where_none_belongs(ReplyShape::Status, b"PD", "expected OK or FL, got 50")]
#[case::echo_of_a_handshake(ReplyShape::PendingThenStatus, b"UU", "expected OK, PD or FL, got 55")]
fn unexpected_bytes_are_named(#[case] shape: ReplyShape, #[case] wire: &[u8], #[case] message: &str) {
    let mut decoder = ReplyDecoder::new(shape);
    let error = decoder.push(wire).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert!(decoder.is_finished());
    assert_eq!(decoder.push(b"OK"), Ok((0, None)));
}

#[test]
fn nothing_beyond_the_reply_is_taken() {
    let mut decoder = ReplyDecoder::new(ReplyShape::Status);
    assert_eq!(decoder.push(b"OKOKOK"), Ok((2, Some(Reply::Ok))));
    assert_eq!(decoder.push(b"OKOK"), Ok((0, None)));
}

#[test]
fn progress_is_known() {
    let mut decoder = ReplyDecoder::new(ReplyShape::Data);
    assert!(!decoder.is_partial());
    assert_eq!(decoder.missing(), 2);
    decoder.push(b"O").unwrap();
    assert!(decoder.is_partial());
    decoder.push(b"K\x04\x24").unwrap();
    assert_eq!(decoder.missing(), 0x2404);
    decoder.push(&[0; 0x2403]).unwrap();
    assert_eq!(decoder.missing(), 1);
    assert_eq!(decoder.push(&[0]).unwrap(), (1, Some(Reply::Data(vec![0; 0x2404]))));
    assert!(decoder.is_finished() && !decoder.is_partial());
    assert_eq!(decoder.missing(), 0);
}

#[test]
fn a_pending_leaves_the_decoder_ready() {
    let mut decoder = ReplyDecoder::new(ReplyShape::PendingThenStatus);
    assert_eq!(decoder.push(b"PDPDFL\x03\x00"), Ok((2, Some(Reply::Pending))));
    assert!(!decoder.is_finished());
    assert_eq!(decoder.push(b"PDFL\x03\x00"), Ok((2, Some(Reply::Pending))));
    assert_eq!(decoder.push(b"FL\x03\x00"), Ok((4, Some(Reply::Refused(Code(3))))));
}

#[test]
fn empty_data() {
    let mut decoder = ReplyDecoder::new(ReplyShape::Data);
    assert_eq!(decoder.push(b"OK\0\0OK"), Ok((4, Some(Reply::Data(vec![])))));
    let mut decoder = ReplyDecoder::new(ReplyShape::DataOfKnownLength(0));
    assert_eq!(decoder.push(b"OK\x05\0OK"), Ok((4, Some(Reply::Data(vec![])))));
}
