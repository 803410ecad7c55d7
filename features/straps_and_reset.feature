@reads
Feature: Straps, reset and power
  BOOT is looked at only when the module leaves reset: high is programming mode, low runs the firmware.

  Scenario: With BOOT low the stock firmware prints its log
    Given a healthy XT-ZB2 with BOOT tied low
    And its flash holds the stock firmware
    When the host changes to 2,000,000 baud
    And EN is pulled low for 50 ms
    And the host stays silent for 3 s
    Then the host reads "Starting bl702 now...."

  Scenario: The stock firmware's log names its partitions
    Given a healthy XT-ZB2 with BOOT tied low
    And its flash holds the stock firmware
    When the host changes to 2,000,000 baud
    And EN is pulled low for 50 ms
    And the host stays silent for 3 s
    Then the host reads "magicCode 0x54504642; version 0x0000; entryCnt 5; age 0; crc32 0x5F173B2D"

  Scenario: With BOOT low and nothing in the flash the module is silent, and cannot be woken
    Given a healthy XT-ZB2 with BOOT tied low
    And its flash is empty
    When the host sends 55 for 3 ms at 500,000 baud
    And the host stays silent for 3 s
    Then the module says nothing

  Scenario: While EN is low nothing answers
    Given a healthy XT-ZB2 in programming mode
    When EN is pulled low
    And the host sends 55 for 3 ms at 500,000 baud
    Then the module answers nothing
    When EN is released
    And the host stays silent for 20 ms
    And the host sends 55 for 3 ms at 500,000 baud
    Then the module answers OK

  Scenario: A short pulse of EN restarts the module
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When EN is pulled low for 5 ms
    And the host stays silent for 20 ms
    And the host sends 10 00 00 00
    Then the module answers nothing
    When the host sends 55 for 3 ms at 500,000 baud
    Then the module answers OK

  Scenario: BOOT may be let go once the module runs
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When BOOT is tied low
    And the host sends 10 00 00 00
    Then the module answers OK 18 00 01 00 02 07 ..

  Scenario: BOOT low takes effect with the next reset
    Given a healthy XT-ZB2 in programming mode
    And its flash is empty
    And a session at 500,000 baud
    When BOOT is tied low
    And EN is pulled low for 50 ms
    And the host sends 55 for 3 ms at 500,000 baud
    Then the module answers nothing

  Scenario: After the reset command the module has to be woken again
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends 21 00 00 00
    And the host sends 10 00 00 00
    And the host sends 55 for 3 ms at 500,000 baud
    Then the module answers OK, nothing, OK

  Scenario: Power off and on is a reset as well
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And a session at 500,000 baud
    When the power is switched off
    And the host sends 10 00 00 00
    Then the module answers nothing
    When the power is switched on
    And the host stays silent for 20 ms
    And the host sends 55 for 3 ms at 500,000 baud
    Then the module answers OK
    And the flash is as it was

  Scenario Outline: The flasher takes a module out of its firmware by itself: <wiring>
    Given a healthy XT-ZB2 with <wiring>
    And its flash holds the stock firmware
    When I restart the module
    Then the flasher succeeds
    When I back up the flash
    Then the flasher reset the module through the modem lines
    And the backup equals the flash
    And no fuse was burnt

    Examples:
      | wiring                      |
      | EN on RTS and BOOT on DTR   |
      | EN on DTR and BOOT on RTS   |

  Scenario: Told the wrong wiring, the flasher does not reach the boot ROM, and asks for hands
    Given a healthy XT-ZB2 with EN on DTR and BOOT on RTS
    And its flash holds the stock firmware
    And a flasher that is told that EN is on RTS and BOOT on DTR
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "no answer of the boot ROM to"
    And the flasher asked for a pair of hands
    And the flash is as it was

  Scenario: With BOOT low and no lines, the flasher asks for hands and says what they should do
    Given a healthy XT-ZB2 with BOOT tied low
    And its flash is empty
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "no answer of the boot ROM to"
    And the flasher asked for a pair of hands
    And it advises "hold BOOT (D28 on an XT-ZB2) at 3.3 V"
