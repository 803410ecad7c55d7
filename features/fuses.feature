Feature: Fuses
  Fuses are burnt for ever, and the commands that do it ask no questions. The flasher never sends them unless it is
  told to; these scenarios send them on purpose.

  @reads
  Scenario: Looking at fuses burns none
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends 41 00 08 00 14 00 00 00 08 00 00 00
    Then the module answers 4f 4b 08 00 and its chip id
    And no fuse was burnt

  # Refused for its address alone: a byte lost on the line, and it might be another.
  @burns
  Scenario: An address behind the last fuse is refused
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends 40 00 08 00 80 00 00 00 00 00 00 00
    And the host sends 41 00 08 00 80 00 00 00 04 00 00 00
    Then the module answers FL0402, FL0405
    And no fuse was burnt

  @burns
  Scenario: One stray frame to the boot ROM burns fuses, without any key
    Given a healthy XT-ZB2 in programming mode
    And its fuses 0x3C to 0x3F are blank
    And a session at 500,000 baud
    When the host sends 40 00 08 00 3c 00 00 00 01 02 03 04
    Then the module answers OK
    And exactly 5 fuses were burnt

  @burns
  Scenario: The RAM loader burns as readily
    Given a healthy XT-ZB2 whose RAM loader is already running
    And its fuses 0x20 to 0x27 are blank
    And a session at 500,000 baud
    When the host sends 40 37 08 00 20 00 00 00 01 02 04 08
    And the host sends 41 30 08 00 20 00 00 00 08 00 00 00
    Then the module answers OK, OK 08 00 01 02 04 08 00 00 00 00
    And exactly 4 fuses were burnt

  @burns @emulated-only
  Scenario: What is burnt stays burnt when the power goes
    Given a healthy XT-ZB2 in programming mode
    And the module lives in a process of its own
    And a session at 500,000 baud
    When the host sends 40 00 08 00 5c 00 00 00 01 02 03 04
    Then the module answers OK
    When the emulator is killed and started again
    Then exactly 5 fuses were burnt

  @reads
  Scenario: The flasher reads all fuses without sending a frame that is one bit away from a burn
    Given a healthy XT-ZB2 in programming mode
    When I read the fuses
    Then the flasher succeeds
    And the flasher uploaded nothing
    And the fuses hold the module's own chip id
    And no fuse was burnt

  @reads
  Scenario: Without being told that it is meant, the flasher shows what it would burn
    Given a healthy XT-ZB2 in programming mode
    When I have the flasher show what burning "uartboot_disable=1" would do
    Then the flasher has shown a plan and burnt nothing
    And no fuse was burnt

  @burns
  Scenario: The flasher burns a field, reads it back, and finds nothing else changed
    Given a healthy XT-ZB2 in programming mode
    And its fuses 0x10 to 0x13 are blank
    And its fuses 0x5C to 0x63 are blank
    When I burn "uart_log_disable=1 key_slot_4_w0_w1=0100000000000080", and mean it
    Then the flasher succeeds
    When I read the fuses
    Then fuse word "10" reads "00000002"
    And fuse word "5c" reads "00000001"
    And fuse word "60" reads "80000000"
    And exactly 3 fuses were burnt

  @burns
  Scenario: What is burnt already is not burnt again
    Given a healthy XT-ZB2 in programming mode
    And its fuses 0x6C to 0x73 are blank
    When I burn "alternate_mac=0100000000000000", and mean it
    And I burn "alternate_mac=0100000000000000", and mean it
    Then the flasher succeeds
    And exactly 1 fuses were burnt

  # These two burn nothing, if the flasher is right. If it is wrong they do, and cost somebody a module.
  @burns
  Scenario: What would lock the owner out is refused unless that very thing is named
    Given a healthy XT-ZB2 in programming mode
    When I burn "uartboot_disable=1", accept "write-locked", and mean it
    Then the flasher gives up with exit status 3
    And it says "uart-boot-disabled"
    And it advises "--accept uart-boot-disabled"
    And no fuse was burnt

  @burns
  Scenario: What a lock forbids is told before anything is tried
    Given a healthy XT-ZB2 in programming mode
    And its MAC address is write-locked, as the factory leaves it
    When I burn one more bit of its MAC address, accept "mac-changed", and mean it
    Then the flasher gives up with exit status 1
    And it says "write-locked"
    And no fuse was burnt

  @burns @emulated-only
  Scenario: A module that is made to take only signed images does so from then on
    Given a healthy XT-ZB2 in programming mode
    When I burn "sboot_sign_mode=1", accept "signed-images-only", and mean it
    Then the flasher succeeds
    When I back up the flash
    Then the flasher gives up with exit status 1
    And it says "FL0206"
    And exactly 1 fuses were burnt
