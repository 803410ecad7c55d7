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
    And its fuses 0x5C to 0x5F are blank
    And a session at 500,000 baud
    When the host sends 40 00 08 00 5c 00 00 00 01 02 03 04
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
