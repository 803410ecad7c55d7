@reads
Feature: Adapters and their lines
  Most adapters hold a pin low while its line is asserted, have EN on RTS and BOOT on DTR, and do 2,000,000 baud. The flasher
  can be told of others.

  Scenario: An adapter that inverts its lines holds the module in reset, until the flasher is told
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And an adapter whose DTR and RTS are inverted
    And its flash holds the reference pattern
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "no answer of the boot ROM to"
    And the flasher asked for a pair of hands
    And the flash is as it was

  Scenario: The flasher is told that the lines are inverted
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And an adapter whose DTR and RTS are inverted
    And its flash holds the stock firmware
    And a flasher that is told that DTR and RTS are inverted
    When I restart the module
    Then the flasher succeeds
    When I back up the flash
    Then the flasher reset the module through the modem lines
    And the backup equals the flash
    And no fuse was burnt

  Scenario: A sequence of one's own resets a module whose wiring has no name
    Given a healthy XT-ZB2 with EN on DTR and BOOT on RTS
    And its flash holds the stock firmware
    And a flasher that is told to reset by "U1,1|W0.05|R0|W0.1|D0|W0.05"
    When I back up the flash
    Then the flasher reset the module through the modem lines
    And the backup equals the flash
    And no fuse was burnt

  Scenario: The highest rate that works is found from below
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And its flash holds the reference pattern
    And a flasher that is told to take the highest rate that works
    When I back up the flash
    Then the backup equals the flash
    And the RAM loader talked at 3,000,000 baud in the end
    And no fuse was burnt

  @emulated-only
  Scenario: An adapter that garbles what is faster than 1,000,000 baud keeps that rate
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And the fault "adapter-1m-max"
    And its flash holds the reference pattern
    And a flasher that is told to take the highest rate that works
    When I back up the flash
    Then the backup equals the flash
    And the RAM loader talked at 1,000,000 baud in the end
    And the fault has shown
    And no fuse was burnt
