@reads
Feature: Backing up the flash
  Always the first thing to do with a module, and the only thing that makes the rest safe.

  Scenario Outline: A backup at <baud> baud equals the flash
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I back up the flash at <baud> baud
    Then the backup equals the flash
    And its SHA-256 is that of the reference vector "sha 1 MiB"
    And the flash is as it was
    And no fuse was burnt

    Examples:
      | baud      |
      | 115,200   |
      | 500,000   |
      | 921,600   |
      | 1,000,000 |
      | 2,000,000 |
      | 3,000,000 |

  Scenario: The boot ROM can be spoken to slowly, for bad cables
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    And a flasher that talks to the boot ROM at 115,200 baud
    When I back up the flash
    Then the backup equals the flash

  Scenario: An empty flash can be backed up like any other
    Given a healthy XT-ZB2 in programming mode
    And its flash is empty
    When I back up the flash
    Then the backup equals the flash

  Scenario: Two backups in a row are the same
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I back up the flash
    And I back up the flash
    Then the backup equals the flash
    And the flasher had to upload the RAM loader

  Scenario Outline: A part of the flash can be backed up: <size> from <start>
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    When I back up <size> from <start>
    Then the backup equals the <size> of the flash from <start>

    Examples:
      | size        | start   |
      | 1 byte      | 0xFFFFF |
      | 300 bytes   | 0x1F80  |
      | 9,221 bytes | 0x3     |
      | 64 KiB      | 0x0     |

  Scenario: A part that ends past the end of the flash is refused
    Given a healthy XT-ZB2 in programming mode
    When I back up 2 bytes from 0xFFFFF
    Then the flasher gives up with exit status 2
    And it says "goes past the end of the flash"
    And it says that the flash is "unchanged by this run"

  Scenario Outline: A rate that cannot work is refused before anything is sent: <baud> baud
    Given a healthy XT-ZB2 in programming mode
    When I back up the flash at <baud> baud
    Then the flasher gives up with exit status 2
    And it says "<reason>"

    Examples:
      | baud       | reason                                  |
      | 1,200,000  | to the nearest multiple of 500000       |
      | 16,000,000 | does not answer above 12000000 baud     |
      | 300        | is too slow                             |

  Scenario: Without a RAM loader there is no backup, and the flasher tells how to get one
    Given a healthy XT-ZB2 in programming mode
    And a flasher without a RAM loader image
    When I back up the flash
    Then the flasher gives up with exit status 2
    And it says "no RAM loader image"
    And it advises "bflb-mcu-tool-uart"

  Scenario: A flash of 2 MiB is backed up whole
    Given a healthy board of the kind "bl702-2m" in programming mode
    And its flash holds the reference pattern
    When I back up the flash
    Then the backup equals the flash
