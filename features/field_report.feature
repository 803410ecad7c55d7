# These frames hold commands that burn fuses, and only their addresses keep them from it: on a bench for modules that
# may be burnt. (With every byte in its place nothing is.)
@burns
Feature: "FL0104, FL0402, clock PLL set fail, JEDEC fail": the module that was not broken
  A field report: the tool says FL0104(BFLB_CMD_SEQ_ERROR), FL0402(BFLB_EFUSE_WRITE_ADDR_ERROR), FL0104 again, then
  that setting the clock failed, then that the flash could not be identified. It looks like locked fuses or a dead
  module. It is neither: the tool was set to BL702L, a sister chip with other commands. The BL702 does not know the
  tool's command 22 ("set clock"), so it looks for commands among the bytes that follow it, and finds two: the length
  18 ("segment data", out of turn: FL0104) and the 80 of the rate 2,000,000 ("write fuses, encrypted", at an address
  that does not exist: FL0402).

  Scenario: A tool that takes the module for a BL702L gets these errors, and nothing is broken
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends 10 00 00 00
    Then the module answers OK 18 00 01 00 02 07 ..
    When the host sends this frame four times
      """
      22 8e 18 00 01 00 00 00 80 84 1e 00 50 43 46 47 01 04 00 01 00 00 00 00 54 d2 a7 60
      """
    Then the module answers FL0104, FL0402, FL0104, FL0402
    When the host sends 3b 99 04 00 ff 01 01 00
    And the host sends 36 00 00 00
    Then the module answers nothing, nothing
    And no fuse was burnt

  Scenario: The same tool set to a load speed of 1,000,000 hits the plain command for fuses, and misses by luck
    40, the low byte of 1,000,000, is "write fuses". Only the address that follows keeps the module whole.

    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends 10 00 00 00
    Then the module answers OK 18 00 01 00 02 07 ..
    When the host sends this frame four times
      """
      22 fd 18 00 01 00 00 00 40 42 0f 00 50 43 46 47 01 04 00 01 00 00 00 00 54 d2 a7 60
      """
    Then the module answers FL0104 FL0402, FL0104 FL0402, FL0104 FL0402, FL0104 FL0402
    When the host sends 3b 99 04 00 ff 01 01 00
    And the host sends 36 00 00 00
    Then the module answers nothing, nothing
    And no fuse was burnt

  Scenario: With the right chip selected the very same module is backed up
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And a session at 500,000 baud
    When the host sends 10 00 00 00
    And the host sends this frame four times
      """
      22 8e 18 00 01 00 00 00 80 84 1e 00 50 43 46 47 01 04 00 01 00 00 00 00 54 d2 a7 60
      """
    And the host sends 36 00 00 00
    Then the last answer is nothing
    When I back up the flash
    Then the backup equals the flash
    And no fuse was burnt
