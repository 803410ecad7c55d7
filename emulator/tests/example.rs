//! The example that the documentation points to works.

#[path = "../examples/module_in_a_test.rs"]
mod module_in_a_test;

#[test]
fn a_module_in_a_test_of_ones_own() {
    module_in_a_test::main().unwrap();
}
