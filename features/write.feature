@writes
Feature: Writing the flash
  Only sectors that differ are erased and programmed, bytes beside the image are kept, and everything is
  verified by the module in the end.

  Scenario: The stock firmware is written to an empty module
    Given a healthy XT-ZB2 in programming mode
    And its flash is empty
    And an image of the stock firmware for address 0
    When I write the image
    Then the flasher succeeds
    And the flash holds the image, and for the rest what it held before
    And no fuse was burnt

  Scenario: The firmware that was written is the one that boots
    Given a healthy XT-ZB2 in programming mode
    And its flash is empty
    And an image of the stock firmware for address 0
    When I write the image
    And BOOT is tied low
    And the host changes to 2,000,000 baud
    And EN is pulled low for 50 ms
    And the host stays silent for 3 s
    Then the host reads "Starting bl702 now...."

  Scenario: An image goes over another one
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of 64 KiB for address 0x10000
    When I write the image
    Then the flasher succeeds
    And the flash holds the image, and for the rest what it held before

  Scenario Outline: Bytes that share a sector with the image are kept: <size> at <start>
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of <size> for address <start>
    When I write the image
    Then the flasher succeeds
    And the flash holds the image, and for the rest what it held before

    Examples:
      | size         | start   |
      | 1 byte       | 0x12345 |
      | 300 bytes    | 0x1F80  |
      | 9,000 bytes  | 0x2FFF  |
      | 5 bytes      | 0xFFFFB |
      | 70,000 bytes | 0xEFFF  |

  Scenario: Writing the same again wears nothing
    Given a healthy XT-ZB2 in programming mode
    And its flash is empty
    And an image of the stock firmware for address 0
    When I write the image
    And I write the image
    Then nothing was erased or programmed

  Scenario: One byte that differs costs one sector
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of what the flash holds, but for one byte at 0x54321
    When I write the image
    Then 4 KiB were erased and 4 KiB programmed
    And the flash holds the image, and for the rest what it held before

  Scenario: Two pieces are written in one go
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I write 5,000 bytes to 0x3000 and 100 bytes to 0xFF000
    Then the flasher succeeds
    And the flash holds both, and for the rest what it held before

  Scenario: A whole backup is written back
    Given a healthy XT-ZB2 in programming mode
    And its flash is empty
    And an image of 1 MiB for address 0x0
    When I write the image
    And I back up the flash
    Then the backup holds the image

  Scenario: An image that ends past the end of the flash is refused, and nothing is changed
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of 4,097 bytes for address 0xFF000
    When I write the image
    Then the flasher gives up with exit status 2
    And it says "goes past the end of the flash"
    And the flash is as it was

  @emulated-only
  Scenario: A flash that refuses to be erased is named, and what it held is still there
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And its flash refuses to be erased
    And an image of 64 KiB for address 0x10000
    When I write the image
    Then the flasher gives up with exit status 1
    And it says "failed to erase flash"
    And the flash is as it was

  @emulated-only
  Scenario: A flash that refuses to be programmed is named, with the state it is left in
    Given a healthy XT-ZB2 in programming mode
    And its flash is empty
    And its flash refuses to be programmed
    And an image of the stock firmware for address 0
    When I write the image
    Then the flasher gives up with exit status 1
    And it says that the flash is "may be erased or written in part"
