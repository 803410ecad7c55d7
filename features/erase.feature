@writes
Feature: Erasing the flash

  Scenario: A range is erased, and nothing beside it
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I erase 8 KiB from 0x3000
    Then the flasher succeeds
    And 8 KiB from 0x3000 are erased, and the rest is what it was before
    And no fuse was burnt

  Scenario: A range that does not begin and end with a sector leaves its neighbours alone
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I erase 5,000 bytes from 0x3800
    Then the flasher succeeds
    And 5,000 bytes from 0x3800 are erased, and the rest is what it was before

  Scenario: What is erased already is left alone
    Given a healthy XT-ZB2 in programming mode
    And its flash is empty
    When I erase 128 KiB from 0x20000
    Then nothing was erased or programmed

  Scenario: The whole flash is erased by one command
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I erase the whole flash
    Then the flasher succeeds
    And the whole flash is erased
    And no fuse was burnt

  Scenario: A range past the end is refused, and nothing is erased
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I erase 8 KiB from 0xFF000
    Then the flasher gives up with exit status 2
    And the flash is as it was

  Scenario Outline: The RAM loader says PD once for each unit it erases: <what>
    It takes the largest unit that fits: 64 KiB, 32 KiB, or a sector of 4 KiB. The end is included.

    Given a healthy XT-ZB2 whose RAM loader is already running
    And its flash holds the reference pattern
    And a session at 500,000 baud
    When the host sends <frame>
    Then the module answers <answer>

    Examples:
      | what                             | frame                               | answer                           |
      | one sector                       | 30 08 08 00 00 00 00 00 00 00 00 00 | PD OK                            |
      | one byte more than a sector      | 30 18 08 00 00 00 00 00 00 10 00 00 | PD PD OK                         |
      | a block of 64 KiB                | 30 08 08 00 00 00 01 00 ff ff 01 00 | PD OK                            |
      | a block of 32 KiB                | 30 86 08 00 00 80 00 00 ff ff 00 00 | PD OK                            |
      | 28 KiB, which are seven sectors  | 30 76 08 00 00 00 00 00 ff 6f 00 00 | PD PD PD PD PD PD PD OK          |
      | 60 KiB, as 32 KiB and seven      | 30 f6 08 00 00 00 00 00 ff ef 00 00 | PD PD PD PD PD PD PD PD OK       |
      | sector, 64 KiB, sector           | 30 0a 08 00 00 f0 01 00 ff 0f 03 00 | PD PD PD OK                      |
      | an end before the start          | 30 26 08 00 00 10 00 00 ff 0f 00 00 | OK                               |

  Scenario: An erase takes the whole sector that it touches
    Given a healthy XT-ZB2 whose RAM loader is already running
    And its flash holds the reference pattern
    And a session at 500,000 baud
    When the host sends 30 34 08 00 ff 17 00 00 ff 17 00 00
    And the host sends 32 1f 08 00 f8 0f 00 00 10 00 00 00
    Then the module answers PD OK, OK 10 00 8b 92 99 a0 a7 ae b5 bc ff ff ff ff ff ff ff ff

  Scenario: While the whole chip is erased the RAM loader says PD every second
    Given a healthy XT-ZB2 whose RAM loader is already running
    And its flash holds the reference pattern
    And a session at 500,000 baud
    When the host sends 3c 00 00 00 and waits up to 3 s for an answer
    Then the module answers PD at least once and then OK
    And the whole flash is erased

  @emulated-only
  Scenario: A unit that cannot be erased is told after its PD
    Given a healthy XT-ZB2 whose RAM loader is already running
    And its flash refuses to be erased
    And a session at 500,000 baud
    When the host sends 30 26 08 00 00 00 00 00 ff 1f 00 00
    Then the module answers PD FL0003
