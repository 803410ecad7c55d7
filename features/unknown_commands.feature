@reads
Feature: Commands a module does not know
  Neither the boot ROM nor the RAM loader answers a command it does not have: silence is not a broken line.

  Scenario Outline: The boot ROM is silent on <id>, and goes on
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends <id> 00 00 00
    And the host sends 10 00 00 00
    Then the module answers nothing, OK 18 00 01 00 02 07 ..
    And no fuse was burnt

    Examples:
      | id |
      | 13 |
      | 15 |
      | 22 |
      | 23 |
      | 32 |
      | 36 |
      | 37 |
      | 3b |
      | 3c |
      | 42 |
      | 60 |
      | 71 |
      | ff |

  Scenario: The boot ROM cannot read the flash: that takes the RAM loader
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And a session at 500,000 baud
    When the host sends 32 00 00 00
    Then the module answers nothing

  Scenario: The boot ROM looks for commands inside a command it does not know
    This is how a harmless-looking frame of another chip's tool can do harm.

    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends 3b 00 04 00 10 00 00 00
    Then the module answers OK 18 00 01 00 02 07 ..
    And no fuse was burnt

  Scenario: A frame that is too long for the boot ROM is refused, and the session goes on
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends 18 00 fd 0f
    And the host sends 10 00 00 00
    Then the module answers FL0102, OK 18 00 01 00 02 07 ..

  Scenario Outline: The RAM loader is silent on <id>, and goes on
    Given a healthy XT-ZB2 whose RAM loader is already running
    And a session at 500,000 baud
    When the host sends <id> 00 00 00 ten times
    And the host sends 36 00 00 00
    Then the last answer is OK 04 00 c2 20 14 80
    And no fuse was burnt

    Examples:
      | id |
      | 00 |
      | 11 |
      | 18 |
      | 20 |
      | 22 |
      | 33 |
      | 3f |
      | 43 |
      | 80 |
      | 90 |
      | ff |

  Scenario: The RAM loader does not set clocks either, unlike that of other chips
    Given a healthy XT-ZB2 whose RAM loader is already running
    And a session at 500,000 baud
    When the host sends 22 2b 08 00 01 00 00 00 80 84 1e 00
    Then the module answers nothing

  Scenario: A damaged frame is refused by the RAM loader whatever it was, and has no effect
    Given a healthy XT-ZB2 whose RAM loader is already running
    And its flash is empty
    And a session at 500,000 baud
    When the host sends 99 01 02 00 61 62
    And the host sends 31 02 08 00 00 00 00 00 61 62 63 64
    And the host sends 36 00 00 00
    Then the module answers FL0103, FL0103, OK 04 00 c2 20 14 80
    And the flash is as it was

  Scenario: A host that sends no checksum is trusted
    Given a healthy XT-ZB2 whose RAM loader is already running
    And its flash holds the reference pattern
    And a session at 500,000 baud
    When the host sends 32 00 08 00 00 01 00 00 10 00 00 00
    Then the module answers OK 10 00 0d 14 1b 22 29 30 37 3e 45 4c 53 5a 61 68 6f 76
