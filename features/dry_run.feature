@reads
Feature: Asking what would be changed

  Scenario: What a write would do is told, and not done
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of what the flash holds, but for one byte at 0x12345
    When I ask what writing the image would change
    Then the flasher succeeds
    And 4 KiB would be erased and 4 KiB programmed
    And nothing was erased or programmed
    And the flash is as it was

  Scenario: Bytes beside the image are told
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of 4 KiB for address 0x1800
    When I ask what writing the image would change
    Then 8 KiB would be erased and 8 KiB programmed
    And 4 KiB would be kept
    And the flash is as it was

  Scenario: Where everything is right already there is nothing to do
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of what the flash holds
    When I ask what restoring the image would change
    Then 0 KiB would be erased and 0 KiB programmed

  Scenario: An erase of the whole flash tells how much of it holds something
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I ask what erasing the whole flash would change
    Then 20 KiB would be erased and 0 KiB programmed
    And the flash is as it was

  Scenario: A partition table that would be put there
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I ask what putting a table with FW and PSM onto the module would change
    Then the flasher succeeds
    And the flash is as it was
