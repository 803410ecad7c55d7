Feature: Reading back what was verified by hash

  @writes
  Scenario: A write is read back byte by byte
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of 100,000 bytes for address 0x12345
    When I write the image and have it read back
    Then the flasher succeeds
    And 100,000 bytes were read back
    And the flash holds the image, and for the rest what it held before
    And no fuse was burnt

  @reads
  Scenario: A verification with reading back
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of the 200,000 bytes that the flash holds at 0x1F80
    When I verify the image and have it read back
    Then the flasher succeeds
    And 200,000 bytes were read back
    And the flash is as it was
