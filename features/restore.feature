Feature: Putting a backup back

  @writes
  Scenario: A backup of the whole flash is put back
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    And an image of what the flash holds
    When I erase 64 KiB from 0x0
    And I restore the image
    Then the flasher succeeds
    And the flash is as it was
    And no fuse was burnt

  @writes
  Scenario: Restoring changes only what differs
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    And an image of what the flash holds
    When I erase 4 KiB from 0x3000
    And I restore the image
    Then 0 KiB were erased and 256 bytes programmed
    And the flash is as it was

  @reads
  Scenario: A file of another length is no backup of this flash
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of 512 KiB for address 0x0
    When I restore the image
    Then the flasher gives up with exit status 3
    And it says "the file has 524288 bytes, the flash of this module has 1048576"
    And it advises "write 0=FILE"
    And the flash is as it was

  @reads
  Scenario: The backup of another module is refused, unless a copy is wanted
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of 1 MiB for address 0x0
    When I restore the image as that of the module with chip id 0011223344556677
    Then the flasher gives up with exit status 3
    And it says which chip id this module has
    And it advises "--other-module"
    And the flash is as it was

  @writes
  Scenario: The backup of this very module is taken
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of 1 MiB for address 0x0
    When I restore the image as that of this very module
    Then the flasher succeeds
    And the flash holds the image, and for the rest what it held before
