@writes @emulated-only
Feature: A module that is killed keeps its flash
  The emulated module's flash lives in a file, which after a kill -9 holds what a real flash would hold after
  losing power at that moment.

  Scenario: What was written is there after the emulator was killed
    Given a healthy XT-ZB2 in programming mode
    And the module lives in a process of its own
    And its flash is empty
    And an image of the stock firmware for address 0
    When I write the image
    And the emulator is killed and started again
    And I back up the flash
    Then the backup holds the image
    And the flash holds the image, and for the rest what it held before
    And no fuse was burnt

  Scenario: A write that the kill cut short is finished by a second one
    Given a healthy XT-ZB2 in programming mode
    And the module lives in a process of its own
    And its flash holds the reference pattern
    And an image of 64 KiB for address 0x10000
    When I write the image, and the emulator is killed in the middle of it
    Then the flasher gives up with exit status 1
    And it says "has vanished while it was in use"
    And it says that the flash is "may be erased or written in part"
    When the emulator is started again
    And I write the image
    Then the flasher succeeds
    And the flash holds the image, and for the rest what it held before
    And no fuse was burnt

  Scenario: An erased module stays erased
    Given a healthy XT-ZB2 in programming mode
    And the module lives in a process of its own
    And its flash holds the stock firmware
    When I erase the whole flash
    And the emulator is killed and started again
    Then the whole flash is erased
    When I back up the flash
    Then the backup equals the flash
